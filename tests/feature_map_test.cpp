#include "estimators/feature_map.hpp"

#include "estimators/error.hpp"
#include "estimators/special_functions.hpp"
#include "tests/quadrature.hpp"

#include <cmath>
#include <map>
#include <string>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::chi_expectation;
using testing_tools::cosine_expectation;
using testing_tools::normal_expectation;
using Exact = boost::multiprecision::number<
    boost::multiprecision::cpp_bin_float<120, boost::multiprecision::digit_base_10, void, std::int64_t>>;

// Named one by one where a lambda needs them: clang 14 captures no structured bindings.
struct Triple {
  Vector q, k1, k2;
};

// Vectors of house dimension with |q + k|² around one and around ten, aligned, opposed and equal.
std::vector<Triple> triples() {
  Vector a(5), b(5), c(5);
  a << 0.3, -0.2, 0.1, 0.4, -0.25;
  b << -0.1, 0.35, 0.2, 0.05, -0.3;
  c << 0.25, 0.1, -0.4, 0.15, 0.05;
  return {
      {a, b, c}, {b, a, a}, {a, -a, b}, {a, a, a}, {3.0 * a, 2.5 * b, -2.0 * c}, {2.0 * c, 2.0 * a, 2.0 * a}};
}

// φ_w(x)·φ_w(y) of one direction from its formula in the papers, as a function of the projections w·x, w·y.
double product(std::string_view name, const Vector& x, const Vector& y, double wx, double wy) {
  const double norms = 0.5 * (x.squaredNorm() + y.squaredNorm());
  if (name == "trigonometric")
    return std::exp(norms) * (std::sin(wx) * std::sin(wy) + std::cos(wx) * std::cos(wy));
  if (name == "hyperbolic")
    return 0.5 * std::exp(-norms) * (std::exp(wx) * std::exp(wy) + std::exp(-wx) * std::exp(-wy));
  return std::exp(wx + wy - norms);
}

// E f(w·u, w·v) of one direction of a map by quadrature in the plane of u and v.
double over_the_plane(const FeatureMap& map, const Vector& u, const Vector& v,
                      const std::function<double(double, double)>& f) {
  const double length = u.norm();
  const double along = u.dot(v) / length;
  const double across = std::sqrt(std::max(0.0, v.squaredNorm() - along * along));
  const auto d = static_cast<int>(u.size());
  if (!map.fixed_norm())
    return normal_expectation([&](double g) {
      return normal_expectation([&](double h) { return f(length * g, along * g + across * h); });
    });
  const double radius = std::sqrt(static_cast<double>(d));
  return cosine_expectation(d, [&](double t) {
    return cosine_expectation(d - 1, [&](double s) {
      return f(radius * length * t, radius * (along * t + across * s * std::sqrt(1.0 - t * t)));
    });
  });
}

class EveryFeatureMap : public testing::TestWithParam<std::string_view> {
 protected:
  const FeatureMap& map() const { return feature_map_named(GetParam()); }
};

// The maps of exponentials and circular functions; arccos features are in rfa_test.cpp.
class EveryExponentialMap : public EveryFeatureMap {};

// Products depend on w·(x+y) or w·(x−y) alone: one dimension.
TEST_P(EveryExponentialMap, HasTheKernelOfItsFormula) {
  for (const Triple& each : triples()) {
    const Vector &q = each.q, &k1 = each.k1;
    const Vector z = GetParam() == "trigonometric" ? Vector(q - k1) : Vector(q + k1);
    const auto of_projection = [&](double projected) {
      // Any split of the projection between x and y gives the same product: all on x.
      const double norms = 0.5 * (q.squaredNorm() + k1.squaredNorm());
      if (GetParam() == "trigonometric") return std::exp(norms) * std::cos(projected);
      if (GetParam() == "hyperbolic") return std::exp(-norms) * std::cosh(projected);
      return std::exp(projected - norms);
    };
    const double expected =
        map().fixed_norm()
            ? cosine_expectation(5, [&](double t) { return of_projection(std::sqrt(5.0) * z.norm() * t); })
            : normal_expectation([&](double g) { return of_projection(z.norm() * g); });
    EXPECT_NEAR(map().kernel(q, k1), expected, 1e-10 * std::abs(expected));
    if (!map().fixed_norm()) {
      EXPECT_NEAR(map().kernel(q, k1), std::exp(q.dot(k1)), 1e-13 * expected);
    }
  }
}

// φ(q)·φ(k₁) φ(q)·φ(k₂) depends on w·(q ± k₁) and w·(q ± k₂): two dimensions.
TEST_P(EveryExponentialMap, HasThePairMomentOfItsFormula) {
  for (const Triple& each : triples()) {
    const Vector &q = each.q, &k1 = each.k1, &k2 = each.k2;
    const double sign = GetParam() == "trigonometric" ? -1.0 : 1.0;
    const Vector u = q + sign * k1, v = q + sign * k2;
    if (u.norm() == 0.0) continue;  // no plane; the limit is covered by its neighbours
    const double expected = over_the_plane(map(), u, v, [&](double wu, double wv) {
      return product(GetParam(), q, k1, wu, 0.0) * product(GetParam(), q, k2, wv, 0.0);
    });
    EXPECT_NEAR(map().pair_moment(q, k1, k2), expected, 1e-10 * std::abs(expected))
        << "q = " << q.transpose();
  }
}

// E exp(w·z) − 1 of a direction of norm √d, |z|² = S.
double spherical_mean_less_one(int d, double S) {
  return cosine_expectation(d, [&](double t) { return std::expm1(std::sqrt(d * S) * t); });
}

// The kurtosis of one direction's kernel estimate, by quadrature of its fourth central moment along q ± k.
TEST_P(EveryExponentialMap, HasTheKurtosisOfItsLaw) {
  for (const double size : {0.01, 0.3, 1.0, 1.6})
    for (const Triple& each : triples()) {
      const Vector q = size * each.q, k = size * each.k1;
      const double norms = 0.5 * (q.squaredNorm() + k.squaredNorm());
      const Vector z = GetParam() == "trigonometric" ? Vector(q - k) : Vector(q + k);
      const double found = map().kurtosis(q, k);
      if (z.norm() == 0.0 || z.squaredNorm() > 4.0) continue;
      // In units of the mean, so that small deviations keep their digits.
      const auto deviation = [&](double g) {
        const double S = z.squaredNorm(), a = z.norm() * g;
        if (GetParam() == "positive") return std::expm1(a - 0.5 * S);
        if (map().fixed_norm()) return std::expm1(a) - spherical_mean_less_one(5, S);
        const double even = GetParam() == "trigonometric" ? -2.0 * std::pow(std::sin(0.5 * a), 2)
                                                          : 2.0 * std::pow(std::sinh(0.5 * a), 2);
        const double mean = std::expm1(GetParam() == "trigonometric" ? -0.5 * S : 0.5 * S);
        return (even - mean) * std::exp(norms);
      };
      const auto mean_of = [&](int power) {
        if (map().fixed_norm())
          return cosine_expectation(5,
                                    [&](double t) { return std::pow(deviation(std::sqrt(5.0) * t), power); });
        return normal_expectation([&](double g) { return std::pow(deviation(g), power); });
      };
      const double second = mean_of(2), fourth = mean_of(4);
      EXPECT_NEAR(found, fourth / (second * second), 1e-10 * found) << z.norm();
    }
}

// Two orthogonal directions with independent chi(d) norms: the first has cosine t with z, the second cosine
// s√(1−t²), s that of a uniform direction in the d−1 dimensions left. Norms are averaged in closed form of
// one dimension each.
double orthogonal_pair_by_quadrature(std::string_view name, const Vector& x, const Vector& y) {
  const auto d = static_cast<int>(x.size());
  const bool trigonometric = name == "trigonometric";
  const double z = trigonometric ? (x - y).norm() : (x + y).norm();
  const double norms = 0.5 * (x.squaredNorm() + y.squaredNorm());
  const auto of = [&](double projected) {
    if (trigonometric) return std::exp(norms) * std::cos(projected);
    if (name == "hyperbolic") return std::exp(-norms) * std::cosh(projected);
    return std::exp(projected - norms);
  };
  const auto radial = [&](double cosine) {
    if (name == "regularized") return of(std::sqrt(static_cast<double>(d)) * z * cosine);
    return chi_expectation(d, [&](double r) { return of(r * z * cosine); });
  };
  return cosine_expectation(d, [&](double t) {
    const double rest = std::sqrt(1.0 - t * t);
    const double second = d == 2 ? 0.5 * (radial(rest) + radial(-rest))
                                 : cosine_expectation(d - 1, [&](double s) { return radial(s * rest); });
    return radial(t) * second;
  });
}

TEST_P(EveryExponentialMap, HasTheOrthogonalPairMomentOfItsLaw) {
  for (const Index d : {2, 3, 5, 8})
    for (const double size : {0.4, 1.1}) {
      Vector x = Vector::Constant(d, 0.5 * size), y = Vector::Constant(d, 0.2 * size);
      x(0) = size;
      y(1) = -size;
      const double expected = orthogonal_pair_by_quadrature(GetParam(), x, y);
      EXPECT_NEAR(map().orthogonal_pair_moment(x, y), expected, 1e-10 * std::abs(expected))
          << "d = " << d << ", size " << size;
    }
}

// ψ (or ln ψ) of a projection; the second part is that of the second feature of a direction.
const std::map<std::string_view, double (*)(double, Index)> kActivations{
    {"positive", [](double w, Index) { return w; }},
    {"hyperbolic", [](double w, Index part) { return part == 0 ? w : -w; }},
    {"regularized", [](double w, Index) { return w; }},
    {"trigonometric", [](double w, Index part) { return part == 0 ? std::sin(w) : std::cos(w); }},
    {"arccos", [](double w, Index) { return std::max(w, 0.0); }},
};

// The activations against the formula, in both precisions; widths that are no multiple of a vector register.
TEST_P(EveryFeatureMap, ActivatesByItsFormula) {
  const auto formula = kActivations.find(GetParam());
  ASSERT_NE(formula, kActivations.end()) << GetParam() << " has no formula in this test";
  RowMatrix<double> projections(3, 11);
  for (Index i = 0; i < projections.size(); ++i) projections.data()[i] = 0.37 * static_cast<double>(i) - 5.0;
  RowMatrix<double> features(3, 11 * map().per_direction());
  map().activate(Eigen::Ref<const RowMatrix<double>>(projections), features);
  const RowMatrix<float> projections_f = projections.cast<float>();
  RowMatrix<float> features_f(3, 11 * map().per_direction());
  map().activate(Eigen::Ref<const RowMatrix<float>>(projections_f), features_f);
  for (Index i = 0; i < 3; ++i)
    for (Index s = 0; s < 11; ++s) {
      for (Index part = 0; part < map().per_direction(); ++part)
        EXPECT_NEAR(features(i, part * 11 + s), formula->second(projections(i, s), part), 1e-15 * 8);
    }
  // The rounding of a float projection up to 8 moves a feature by 8 · 2⁻²⁴, and the feature is rounded once
  // more.
  EXPECT_LE((features_f.cast<double>() - features).cwiseAbs().maxCoeff(), 16.0 * 0x1p-24);
}

INSTANTIATE_TEST_SUITE_P(Table, EveryFeatureMap, testing::ValuesIn([] {
                           std::vector<std::string_view> names;
                           for (const auto& row : feature_maps()) names.push_back(row.name);
                           return names;
                         }()),
                         [](const auto& map) { return std::string(map.param); });

INSTANTIATE_TEST_SUITE_P(Table, EveryExponentialMap,
                         testing::Values("positive", "hyperbolic", "regularized", "trigonometric"),
                         [](const auto& map) { return std::string(map.param); });

// Blocks of keys of all kinds, of which a row of attention may be made: short and long, equal, opposite,
// zero, parallel and opposite to the query.
TEST_P(EveryFeatureMap, HasThePairMomentsOfABlockOneByOne) {
  for (const double size : {1e-3, 1.0, 4.0}) {
    for (const Vector& direction : {triples().front().q, Vector(0.0 * triples().front().q)}) {
      const Vector q = size * direction;
      Matrix keys(11, 5);
      Index row = 0;
      for (const Triple& each : triples()) keys.row(row++) = size * each.k1;
      for (const double factor : {0.0, 1.0, -1.0, 1.0, -0.5})
        keys.row(row++) = factor * size * triples()[0].q;
      keys(8, 1) += 1e-9 * size;  // opposite to the query but for a billionth
      const Matrix moments = map().pair_moments(q, keys, 4, 7);
      const Matrix covariances = map().pair_covariances(q, keys, 4, 7);
      ASSERT_EQ(moments.rows(), 7);
      ASSERT_EQ(moments.cols(), 11);
      for (Index m = 0; m < 7; ++m) {
        const double largest = moments.row(m).cwiseAbs().maxCoeff();
        for (Index other = 0; other < 11; ++other) {
          const Vector k = keys.row(4 + m), of = keys.row(other);
          const double one = map().pair_moment(q, k, of), means = map().kernel(q, k) * map().kernel(q, of);
          EXPECT_NEAR(moments(m, other), one,
                      1e-12 * std::max(largest, q.squaredNorm() * k.norm() * of.norm()))
              << m << " " << other;
          EXPECT_NEAR(covariances(m, other), one - means,
                      1e-12 * std::max(largest, q.squaredNorm() * k.norm() * of.norm()))
              << m << " " << other;
        }
      }
    }
  }
}

TEST(FeatureMapControl, QuadratureSeesAPairMomentOffByABillionth) {
  const Triple first = triples().front();
  const Vector &q = first.q, &k1 = first.k1, &k2 = first.k2;
  const double right = feature_map_named("positive").pair_moment(q, k1, k2);
  const double found = over_the_plane(feature_map_named("positive"), q + k1, q + k2, [&](double a, double b) {
    return product("positive", q, k1, a, 0.0) * product("positive", q, k2, b, 0.0);
  });
  EXPECT_GT(std::abs(found - right * (1.0 + 1e-9)), 1e-10 * right);
}

// ₁F₁(a; b; z) = Σ (a)_n/(b)_n zⁿ/n! summed with 120 digits, whatever cancels.
Exact kummer_series(int d, double z) {
  Exact term = 1, sum = 1;
  for (int n = 0; n < 4000; ++n) {
    term *= (Exact(d) + n) / (Exact(d) / 2 + n) * Exact(z) / (n + 1);
    sum += term;
    if (abs(term) < Exact("1e-110")) break;
  }
  return sum;
}

// Near a zero no relative digit can be kept: the error is held against e^z, the polynomial form's own scale.
TEST(KummerPairMoment, EqualsTheSeriesInManyDigitsForBothSigns) {
  for (const int d : {1, 2, 3, 5, 7, 8, 16, 63, 64, 65, 127, 128})
    for (const double z :
         {-60.0, -20.0, -8.0, -3.0, -1.0, -0.1, -1e-8, 0.0, 1e-8, 0.1, 1.0, 3.0, 8.0, 20.0, 60.0}) {
      const auto expected = static_cast<double>(kummer_series(d, z));
      EXPECT_NEAR(kummer_pair_moment(d, z), expected, 1e-11 * std::max(std::abs(expected), std::exp(z)))
          << "d = " << d << ", z = " << z;
    }
}

TEST(KummerPairMoment, ExceedsOneByTheSeriesInManyDigits) {
  for (const int d : {2, 3, 5, 8, 16, 63, 64, 128})
    for (const double z :
         {-20.0, -3.0, -1.01, -1.0, -0.3, -1e-3, -1e-8, 1e-8, 1e-3, 0.3, 1.0, 1.01, 3.0, 20.0}) {
      const Exact exact = kummer_series(d, z) * exp(Exact(-2.0 * z)) - 1;
      const auto expected = static_cast<double>(exact);
      const double scale = std::abs(z) <= 1.0 ? std::abs(expected) : std::exp(std::max(0.0, -z)) + 1.0;
      EXPECT_NEAR(kummer_pair_excess(d, z), expected, 1e-11 * scale) << "d = " << d << ", z = " << z;
    }
  EXPECT_EQ(kummer_pair_excess(3, 0.0), 0.0);
  EXPECT_EQ(kummer_pair_excess(3, 400.0), -1.0);
}

// Far out the kurtosis is that of e^{±g}, e^{4S}/2 of cosh g, and that of e^{|S|}cos g, 3/2, without a
// quotient of infinities between.
TEST(Kurtosis, OfLargeNormsHasItsLimit) {
  for (const double S : {60.0, 100.0, 400.0, 900.0}) {
    Vector x = Vector::Zero(3);
    x(0) = 0.5 * std::sqrt(S);
    EXPECT_NEAR(feature_map_named("trigonometric").kurtosis(x, -x), 1.5, 1e-12) << S;
    const double heavy = feature_map_named("hyperbolic").kurtosis(x, x);
    if (S > 177.5) {
      EXPECT_TRUE(std::isinf(heavy)) << S;
    } else {
      EXPECT_NEAR(heavy, 0.5 * std::exp(4.0 * S), 1e-10 * heavy) << S;
    }
  }
}

// On both sides of where 0F1 leaves the range of a double, and of where the series takes over.
TEST(LogOfTheSphericalMean, EqualsTheSeriesInManyDigits) {
  for (const double b : {0.5, 2.5, 32.0, 700.0})
    for (const double z : {0.0, 1e-3, 10.0, 8.9999e4, 9.0001e4, 1.3e5, 1e6, 1e8}) {
      Exact term = 1, sum = 1;
      for (int k = 0; term > 1e-25 * sum || (k + 1.0) * (b + k) < z; ++k) {
        term *= Exact(z) / (Exact(k + 1) * (Exact(b) + k));
        sum += term;
      }
      const auto exact = static_cast<double>(log(sum));
      EXPECT_NEAR(log_hypergeometric_0f1(b, z), exact, 1e-15 * (8.0 + 4.0 * std::sqrt(z) * std::log1p(z)))
          << b << " " << z;
    }
}

// Vectors whose factors exp(−|x|²) and 0F1 leave the range of a double though the moments do not.
TEST(RegularizedFeatures, AreFiniteWhereTheirMomentsAre) {
  const FeatureMap& map = feature_map_named("regularized");
  const Vector x = 48.0 * triples().front().q / triples().front().q.norm();
  const Vector y = x * (-0.5), w = 1.2 * x;
  for (const Vector* other : {&x, &y, &w}) {
    const double d = 5.0, norms = 0.5 * (x.squaredNorm() + other->squaredNorm());
    Exact term = 1, sum = 1;
    const Exact argument = 0.25 * d * (x + *other).squaredNorm();
    for (int k = 0; term > 1e-25 * sum || k < 400; ++k) {
      term *= argument / (Exact(k + 1) * (Exact(0.5 * d) + k));
      sum += term;
    }
    const auto exact = static_cast<double>(sum * exp(Exact(-norms)));
    EXPECT_NEAR(map.kernel(x, *other), exact, 1e-11 * exact);
    EXPECT_TRUE(std::isfinite(map.pair_moment(x, *other, *other)));
  }
}

TEST(KummerPairMoment, RefusesWhatHasNoMeaning) {
  EXPECT_THROW(kummer_pair_moment(0, 1.0), BadInput);
  EXPECT_THROW(kummer_pair_moment(4, std::nan("")), BadInput);
}

TEST(FeatureMapTable, OffersTheNearestName) {
  EXPECT_THROW(feature_map_named("postive"), BadInput);
}

}  // namespace
}  // namespace attngap
