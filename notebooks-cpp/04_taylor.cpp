// %% [markdown]
// # Cutting the exponential short: Taylor polynomials in attention
//
// Element-wise attention (Feng 2025) gives every channel its own weights, $e^{-(q-k)^2}$, and writes them as
// $e^{-q^2} e^{-k^2} e^{2qk}$. The first factor cancels in the ratio. Replacing $e^{2qk}$ by its Taylor
// polynomial of degree $t$ makes sums over keys that do not contain the query, hence linear cost. There is no
// randomness here: everything about the error can be known beforehand. This notebook looks at the polynomial,
// at what it does to weights, and at what it does to the output of a real head.

// %%
#include "estimators/elementwise.hpp"
#include "estimators/taylor.hpp"
#include "estimators/truncation_certificate.hpp"
#include "notebooks-cpp/notebook.hpp"

#include <algorithm>
#include <cmath>

using namespace attngap;
using namespace attngap::notebook;

// %% tags=["program"]
int main(int count, char** arguments) {
  open(count, arguments);

  // %% [markdown]
  // ## The polynomial
  //
  // $$T_t(x) = \sum_{n=0}^{t} \frac{x^n}{n!}, \qquad R_t(x) = e^x - T_t(x)
  //   = \frac{1}{t!} \int_0^x (x - s)^t\, e^s\, ds .$$
  //
  // The integral gives the sign of the remainder at once: that of $x^{t+1}$. For an even degree and $x < 0$
  // it is negative, so $T_t(x) > e^x > 0$: an even degree is positive everywhere. An odd degree increases
  // from
  // $-\infty$ and has exactly one zero. A positive polynomial has a smallest value, its *floor*; no weight
  // can be below it, however far key and query are apart.

  // %%
  print("degree   zero at   floor      floor reached at\n");
  for (int t = 1; t <= 12; ++t) {
    if (t % 2 == 1)
      print("{:6}   {:7.4f}   -          -\n", t, taylor_zero(t));
    else
      print("{:6}   none      {:.5f}    {:8.4f}\n", t, taylor_floor(t), taylor_zero(t - 1));
  }

  Panel shape = axes("", "x", "e^x and its polynomials", false, false);
  shape.x_ticks = {-5, -4, -3, -2, -1, 0, 1};
  shape.y_range = Range{-1.5, 3.0};
  std::vector<double> grid;
  for (int i = 0; i <= 120; ++i) grid.push_back(-5.0 + i * 0.05);
  std::vector<double> exponential;
  for (const double x : grid) exponential.push_back(std::exp(x));
  shape.series.push_back(series("e^x", grid, exponential, 0, Look::line));
  for (const int t : {1, 2, 5, 6}) {
    Series polynomial = series(fmt::format("degree {}", t), {}, {}, shape.series.size(), Look::line);
    for (const double x : grid) {
      const double y = taylor_exp(t, x);
      if (y < shape.y_range->low || y > shape.y_range->high) continue;
      polynomial.x.push_back(x);
      polynomial.y.push_back(y);
    }
    shape.series.push_back(polynomial);
  }
  show(figure("Taylor polynomials of the exponential", "odd degrees become negative, even ones turn up again",
              {shape}),
       "polynomials");

  // %% [markdown]
  // A trap lies in the counting. With $t$ *terms* the exponents are $0 \dots t-1$, and an even number of
  // terms is an odd degree. The equations and the published code of the paper count terms; its argument for
  // positive weights needs an even degree. The library takes `degree=` and, to reproduce the code, `terms=`.
  // Here is how often a weight is negative when $q$ and $k$ are standard normal, by numbers on a fine grid.

  // %%
  print("terms   degree   share of negative weights\n");
  for (const int t : {1, 2, 5, 6}) {
    const int cells = static_cast<int>(effort(600, 60));
    double negative = 0.0, all = 0.0;
    for (int i = 0; i < cells; ++i) {
      for (int j = 0; j < cells; ++j) {
        const double q = -6.0 + 12.0 * (i + 0.5) / cells, k = -6.0 + 12.0 * (j + 0.5) / cells;
        const double density = std::exp(-(q * q + k * k) / 2);
        all += density;
        if (taylor_exp(t, 2 * q * k) <= 0) negative += density;
      }
    }
    print("{:5}   {:6}   {:.4f}\n", t + 1, t, negative / all);
  }

  // %% [markdown]
  // ## What it does to weights
  //
  // Let $r(x) = T_t(x) e^{-x}$ be the factor by which a weight changes, and $\rho = \max r / \min r$ over the
  // keys. However the keys are distributed, the total variation distance of the weights is at most
  //
  // $$\operatorname{TV} \le \frac{\sqrt\rho - 1}{\sqrt\rho + 1} = \tanh\left(\tfrac14 \ln \rho\right),$$
  //
  // and two keys attain it. The argument: with $\mu = \sum_j w_j r_j$ the distance is
  // $\frac1{2\mu}\sum_j w_j |r_j - \mu|$, which for given extremes is largest when all mass sits at the two
  // ends; maximising over the share of mass gives the formula. The output then moves by at most TV times the
  // range of the values. So the range $|2qk| \le R$ decides the degree.

  // %%
  print("bound on the total variation of the weights for |2qk| ≤ R\n\n   R");
  for (const int t : {2, 4, 5, 6, 8, 12}) print("   degree {:2}", t);
  print("\n");
  for (const double radius : {0.5, 1.0, 2.0, 3.0, 4.0}) {
    print("{:4.1f}", radius);
    for (const int t : {2, 4, 5, 6, 8, 12}) {
      const double bound = truncation_certificate(t, -radius, radius).total_variation;
      print("  {:>10}", std::isinf(bound) ? "none" : fmt::format("{:.2g}", bound));
    }
    print("\n");
  }

  print("\n   R   even degree for TV ≤ 0.01   degree / R   degree for |error| ≤ 0.01 e^R\n");
  for (const double radius : {1.0, 4.0, 16.0, 64.0, 256.0}) {
    const int t = degree_for_total_variation(radius, 0.01);
    print("{:4.0f}   {:25}   {:10.2f}   {:28}\n", radius, t, t / radius, degree_for_remainder(radius, 0.01));
  }
  print("\nlimit of degree / R: 1/W(1/e) = {:.4f}\n", kDegreePerRadius);

  // %% [markdown]
  // The lower table is the moral. An error that is small against the *largest* weight needs a degree of
  // about $R$; weights that are right need $R / W(1/e)$, where $W$ is Lambert's function, because the
  // smallest weight is $e^{-R}$ and an error small against $e^{R}$ drowns it. "None" means that some weight
  // may be negative, and then nothing can be promised.
  //
  // ## What it does to a head
  //
  // The values of a real head, with queries and keys shrunk by a factor to see both regimes.
  // `channel_certificates` looks at the extremes of $2qk$ in each channel, which costs nothing against the
  // attention itself, and bounds the error of each output. Measured and certified errors are the largest
  // over queries and channels, relative to the root mean square of the exact output. What
  // is below $10^{-10}$, where rounding takes over, is not shown.

  // %%
  const Dataset head = bundled("ppocr4_L512_l0_h3.npz");
  const int most = 24;
  constexpr double kRounding = 1e-10;
  std::vector<Panel> panels;
  int violations = 0;
  for (const double shrink : {0.5, 1.0}) {
    AttentionProblem problem = sample_queries(head.problem, effort(64, 8));
    problem.Q *= shrink * std::sqrt(problem.scale);
    problem.K *= shrink * std::sqrt(problem.scale);
    const Matrix exact = elementwise_attention(problem);
    const double size = exact.norm() / std::sqrt(static_cast<double>(exact.size()));
    const ElementwiseByDegree truncated = elementwise_by_degree(problem, most);

    double radius = 0.0;
    for (const ChannelCertificate& channel : channel_certificates(problem, 2))
      radius = std::max({radius, -channel.lowest, channel.highest});

    Series measured = series("largest error", {}, {}, 0),
           bound = series("certificate, even degrees", {}, {}, 1);
    for (int t = 1; t <= most; ++t) {
      const double error =
          (truncated.output[static_cast<std::size_t>(t)] - exact).cwiseAbs().maxCoeff() / size;
      if (error > kRounding) {
        measured.x.push_back(t);
        measured.y.push_back(error);
      }
      if (t % 2 == 1) continue;
      double largest = 0.0;
      for (const ChannelCertificate& channel : channel_certificates(problem, t))
        largest = std::max(largest, channel.output / size);
      if (error > largest + kRounding) ++violations;
      if (largest < kRounding) continue;
      bound.x.push_back(t);
      bound.y.push_back(largest);
    }
    Panel panel = axes(fmt::format("inputs × {:.1f}: |2qk| ≤ {:.1f}", shrink, radius), "degree t",
                       "largest error / rms of the output", false, true);
    panel.x_ticks = {1, 6, 12, 18, 24};
    panel.series = {measured, bound};
    panels.push_back(panel);

    print("inputs × {:.1f}: |2qk| ≤ {:.2f}, degree for TV ≤ 0.01: {}\n", shrink, radius,
          degree_for_total_variation(radius, 0.01));
    print("denominators that are not positive, by degree 1 … 6:");
    for (std::size_t t = 1; t <= 6; ++t) print(" {}", truncated.nonpositive_denominators[t]);
    print("\n");
  }
  print("even degrees whose error exceeds the certificate: {}\n", violations);
  show(figure("Error of truncated element-wise attention", head.name, panels), "truncation");

  // %% [markdown]
  // The certificate follows the measured error from a distance: it allows for the worst arrangement of keys.
  // Where the total variation it allows is near one it says no more than the range of the values, and one
  // should not truncate there.
  //
  // ## Rounding
  //
  // For $x < 0$ the terms alternate, and their sum is much smaller than the largest of them. The condition
  // number $T_t(|x|)/T_t(x)$ tells how much of the arithmetic is lost; a high degree does not help once it
  // exceeds the inverse of the unit roundoff.

  // %%
  print("   x   degree   condition    error in float   bound\n");
  for (const double x : {-2.0, -4.0, -8.0}) {
    const int t = degree_for_total_variation(-x, 1e-6);
    float term = 1.0F, sum = 1.0F;
    for (int n = 1; n <= t; ++n) {
      term *= static_cast<float>(x) / static_cast<float>(n);
      sum += term;
    }
    print("{:4.0f}   {:6}   {:9.2g}   {:14.0e}   {:.0e}\n", x, t, taylor_condition(t, x),
          std::abs(double(sum) / taylor_exp(t, x) - 1), taylor_rounding_bound(t, x, std::ldexp(1.0, -24)));
  }

  // %% [markdown]
  // The usual remedy, computing $1/T_t(|x|)$, is not available: attention sums each power over the keys
  // first. What helps is a small range, or more digits; `accumulate=compensated` keeps twice as many.

  // %% tags=["program"]
  return 0;
}
