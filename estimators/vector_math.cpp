#include "estimators/vector_math.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#include <sleef.h>
#endif

// Declared by no header: GCC calls them by itself only under -ffast-math, which would change much more.
#if defined(ATTNGAP_WITH_LIBMVEC) && defined(__AVX512F__)
extern "C" __m512d _ZGVeN8v_exp(__m512d);
extern "C" __m512 _ZGVeN16v_expf(__m512);
#elif defined(ATTNGAP_WITH_LIBMVEC) && defined(__AVX2__) && defined(__FMA__)
extern "C" __m256d _ZGVdN4v_exp(__m256d);
extern "C" __m256 _ZGVdN8v_expf(__m256);
#endif

namespace attngap {
namespace {

// Applies `function(inputs, first outputs, second outputs)` on `Width` elements at a time. The tail goes
// through a padded buffer, so that it meets the same instructions as the body.
template <std::size_t Width, typename Scalar, typename Function>
void in_lanes(std::span<const Scalar> x, std::span<Scalar> first, std::span<Scalar> second,
              Function function) {
  std::size_t i = 0;
  for (; i + Width <= x.size(); i += Width) function(&x[i], &first[i], &second[i]);
  if (i == x.size()) return;
  std::array<Scalar, Width> in{}, out_first{}, out_second{};
  std::copy(x.begin() + static_cast<std::ptrdiff_t>(i), x.end(), in.begin());
  function(in.data(), out_first.data(), out_second.data());
  for (std::size_t j = 0; i + j < x.size(); ++j) {
    first[i + j] = out_first[j];
    second[i + j] = out_second[j];
  }
}

#if defined(__AVX512F__)
constexpr std::size_t kDoubles = 8;
constexpr std::size_t kFloats = 16;
void lanes_sincos(const double* x, double* s, double* c) {
  const auto r = Sleef_sincosd8_u10avx512f(_mm512_loadu_pd(x));
  _mm512_storeu_pd(s, r.x);
  _mm512_storeu_pd(c, r.y);
}
void lanes_sincos(const float* x, float* s, float* c) {
  const auto r = Sleef_sincosf16_u10avx512f(_mm512_loadu_ps(x));
  _mm512_storeu_ps(s, r.x);
  _mm512_storeu_ps(c, r.y);
}
void lanes_sincospi(const double* x, double* s, double* c) {
  const auto r = Sleef_sincospid8_u35avx512f(_mm512_loadu_pd(x));
  _mm512_storeu_pd(s, r.x);
  _mm512_storeu_pd(c, r.y);
}
void lanes_log(const double* x, double* y) {
  _mm512_storeu_pd(y, Sleef_logd8_u10avx512f(_mm512_loadu_pd(x)));
}
void lanes_acos(const double* x, double* y) {
  _mm512_storeu_pd(y, Sleef_acosd8_u10avx512f(_mm512_loadu_pd(x)));
}
void lanes_exp(double* x) {
#if defined(ATTNGAP_WITH_LIBMVEC)
  _mm512_storeu_pd(x, _ZGVeN8v_exp(_mm512_loadu_pd(x)));
#else
  _mm512_storeu_pd(x, Sleef_expd8_u10avx512f(_mm512_loadu_pd(x)));
#endif
}
void lanes_exp(float* x) {
#if defined(ATTNGAP_WITH_LIBMVEC)
  _mm512_storeu_ps(x, _ZGVeN16v_expf(_mm512_loadu_ps(x)));
#else
  _mm512_storeu_ps(x, Sleef_expf16_u10avx512f(_mm512_loadu_ps(x)));
#endif
}
#elif defined(__AVX2__) && defined(__FMA__)
constexpr std::size_t kDoubles = 4;
constexpr std::size_t kFloats = 8;
void lanes_sincos(const double* x, double* s, double* c) {
  const auto r = Sleef_sincosd4_u10avx2(_mm256_loadu_pd(x));
  _mm256_storeu_pd(s, r.x);
  _mm256_storeu_pd(c, r.y);
}
void lanes_sincos(const float* x, float* s, float* c) {
  const auto r = Sleef_sincosf8_u10avx2(_mm256_loadu_ps(x));
  _mm256_storeu_ps(s, r.x);
  _mm256_storeu_ps(c, r.y);
}
void lanes_sincospi(const double* x, double* s, double* c) {
  const auto r = Sleef_sincospid4_u35avx2(_mm256_loadu_pd(x));
  _mm256_storeu_pd(s, r.x);
  _mm256_storeu_pd(c, r.y);
}
void lanes_log(const double* x, double* y) {
  _mm256_storeu_pd(y, Sleef_logd4_u10avx2(_mm256_loadu_pd(x)));
}
void lanes_acos(const double* x, double* y) {
  _mm256_storeu_pd(y, Sleef_acosd4_u10avx2(_mm256_loadu_pd(x)));
}
void lanes_exp(double* x) {
#if defined(ATTNGAP_WITH_LIBMVEC)
  _mm256_storeu_pd(x, _ZGVdN4v_exp(_mm256_loadu_pd(x)));
#else
  _mm256_storeu_pd(x, Sleef_expd4_u10avx2(_mm256_loadu_pd(x)));
#endif
}
void lanes_exp(float* x) {
#if defined(ATTNGAP_WITH_LIBMVEC)
  _mm256_storeu_ps(x, _ZGVdN8v_expf(_mm256_loadu_ps(x)));
#else
  _mm256_storeu_ps(x, Sleef_expf8_u10avx2(_mm256_loadu_ps(x)));
#endif
}
#else
constexpr std::size_t kDoubles = 1;
constexpr std::size_t kFloats = 1;
template <typename Scalar>
void lanes_exp(Scalar* x) {
  *x = std::exp(*x);
}
template <typename Scalar>
void lanes_sincos(const Scalar* x, Scalar* s, Scalar* c) {
  const Scalar angle = *x;
  *s = std::sin(angle);
  *c = std::cos(angle);
}
void lanes_sincospi(const double* x, double* s, double* c) {
  // Reduced to the nearest quarter turn first, so that whole and half turns come out exactly.
  const double quarters = std::nearbyint(2.0 * *x);
  const double rest = (*x - 0.5 * quarters) * std::numbers::pi;
  const int quadrant = static_cast<int>(std::fmod(quarters, 4.0) + 4.0) % 4;
  const double sine = std::sin(rest), cosine = std::cos(rest);
  *s = quadrant == 0 ? sine : quadrant == 1 ? cosine : quadrant == 2 ? -sine : -cosine;
  *c = quadrant == 0 ? cosine : quadrant == 1 ? -sine : quadrant == 2 ? -cosine : sine;
}
void lanes_log(const double* x, double* y) {
  *y = std::log(*x);
}
void lanes_acos(const double* x, double* y) {
  *y = std::acos(*x);
}
#endif

template <std::size_t Width, typename Scalar>
void exp_in_lanes(std::span<Scalar> x) {
  std::size_t i = 0;
  for (; i + Width <= x.size(); i += Width) lanes_exp(&x[i]);
  if (i == x.size()) return;
  std::array<Scalar, Width> tail{};
  std::copy(x.begin() + static_cast<std::ptrdiff_t>(i), x.end(), tail.begin());
  lanes_exp(tail.data());
  std::copy_n(tail.begin(), x.size() - i, x.begin() + static_cast<std::ptrdiff_t>(i));
}

}  // namespace

void vector_exp(std::span<double> x) {
  exp_in_lanes<kDoubles>(x);
}

void vector_exp(std::span<float> x) {
  exp_in_lanes<kFloats>(x);
}

void vector_sincos(std::span<const double> x, std::span<double> sine, std::span<double> cosine) {
  in_lanes<kDoubles>(x, sine, cosine, [](auto... p) { lanes_sincos(p...); });
}

void vector_sincos(std::span<const float> x, std::span<float> sine, std::span<float> cosine) {
  in_lanes<kFloats>(x, sine, cosine, [](auto... p) { lanes_sincos(p...); });
}

void vector_sincos_of_turns(std::span<const double> turns, std::span<double> sine, std::span<double> cosine) {
  in_lanes<kDoubles>(turns, sine, cosine, [](const double* t, double* s, double* c) {
    std::array<double, kDoubles> half_turns;
    for (std::size_t i = 0; i < kDoubles; ++i) half_turns[i] = 2.0 * t[i];
    lanes_sincospi(half_turns.data(), s, c);
  });
}

namespace {

// `function(in, out)` in place. The tail's buffers are not one array: one result goes to both places.
void in_place(std::span<double> x, void (*function)(const double*, double*)) {
  in_lanes<kDoubles>(std::span<const double>(x), x, x,
                     [function](const double* in, double* out, double* same) {
                       function(in, out);
                       if (same != out) std::copy_n(out, kDoubles, same);
                     });
}

}  // namespace

void vector_log(std::span<double> x) {
  in_place(x, [](const double* in, double* out) { lanes_log(in, out); });
}

void vector_acos(std::span<double> x) {
  in_place(x, [](const double* in, double* out) { lanes_acos(in, out); });
}

}  // namespace attngap
