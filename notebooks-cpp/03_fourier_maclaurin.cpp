// %% [markdown]
// # Fourier versus Maclaurin: bias, variance, tails
//
// Three random features estimate the same number, $K = e^{x \cdot y}$, and all three are unbiased. They
// differ in everything else: where their variance is small, whether it is finite, how heavy their tails are,
// and whether a ratio of their sums has a mean. Sources: Rahimi and Recht (2007) and Peng et al. (ICLR 2021)
// for trigonometric features, Choromanski et al. (ICLR 2021) for positive ones, Kar and Karnick (2012) and
// Guo et al. (2024) for random Maclaurin features.

// %%
#include "analysis/inference.hpp"
#include "analysis/moments.hpp"
#include "analysis/tail_inference.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/ratio_estimator.hpp"
#include "notebooks-cpp/notebook.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

using namespace attngap;
using namespace attngap::notebook;

// A query and a key of this norm and angle in generic position, with value 1: a problem whose denominator is
// one kernel estimate.
AttentionProblem pair_of(double norm, double degrees, Index dim = 16) {
  Matrix random(2, dim);
  RandomStream({5}, Purpose::data).normals(0, {random.data(), static_cast<std::size_t>(random.size())});
  Vector x = random.row(0).transpose().normalized(), other = random.row(1).transpose();
  other = (other - other.dot(x) * x).normalized();
  const double turn = degrees * std::acos(-1.0) / 180;
  const Vector y = norm * (std::cos(turn) * x + std::sin(turn) * other);
  x *= norm;
  return make_problem(x.transpose(), y.transpose(), Matrix::Ones(1, 1), Mask::none, 1.0);
}

// K̂/K of independent draws.
std::vector<double> kernel_estimates(const AttentionEstimator& estimator, const AttentionProblem& pair,
                                     Index draws, std::uint32_t replicates) {
  const double kernel = std::exp(pair.Q.row(0).dot(pair.K.row(0)));
  std::vector<double> estimates;
  for_each_draw(estimator, pair, draws, replicates, [&](const AttentionEstimate& draw, const Matrix&) {
    estimates.push_back(draw.denominator(0) * std::exp(draw.log_scale(0)) / kernel);
  });
  return estimates;
}

// The closed-form law of the kernel estimate of `draws` directions.
KernelMoments law(const AttentionEstimator& estimator, const AttentionProblem& pair, Index draws) {
  return dynamic_cast<const RatioEstimator&>(estimator).kernel_moments(pair, draws);
}

// %% tags=["program"]
int main(int count, char** arguments) {
  open(count, arguments);

  // %% [markdown]
  // ## Three identities
  //
  // With $w \sim \mathcal N(0, I)$, a random degree $N$ with $P(N = n) = 2^{-n-1}$ and random signs
  // $\omega_1, \omega_2, \dots \in \{-1, 1\}^d$,
  //
  // $$e^{x \cdot y} = \mathbb E\, e^{(|x|^2 + |y|^2)/2} \cos w \cdot (x - y)
  //   = \mathbb E\, e^{w \cdot (x + y) - (|x|^2 + |y|^2)/2}
  //   = \mathbb E\, \frac{2^{N+1}}{N!} \prod_{i \le N} (\omega_i \cdot x)(\omega_i \cdot y).$$
  //
  // The first is the characteristic function of the normal law, the second its moment generating function,
  // the third the Maclaurin series with a random term. In the library they are `rfa`, `performer` and `rmfa`.
  // Each knows its law in closed form; we compare it with draws at a pair of moderate length.

  // %%
  const std::vector<std::string> names{"rfa", "performer", "rmfa"};
  const AttentionProblem moderate = pair_of(0.7, 60);
  print("estimator    mean of K̂/K        its sd    closed form   real features a draw\n");
  for (const std::string& name : names) {
    const auto estimator = make_estimator(name);
    const KernelMoments exact = law(*estimator, moderate, 1);
    Moments moments;
    for (const double x : kernel_estimates(*estimator, moderate, 1, effort(40'000, 400))) moments.add(x);
    print("{:10}   {:.4f} ± {:.4f}   {:.4f}   {:11.4f}   {:20}\n", name, moments.mean(),
          moments.standard_error_of_mean(), std::sqrt(moments.variance()),
          std::sqrt(exact.variance) / exact.target, estimator->dimension(1));
  }

  // %% [markdown]
  // ## Variance depends on the angle
  //
  // Relative variances of one draw:
  //
  // $$\text{rfa: } 2 \sinh^2 \tfrac{|x - y|^2}{2}, \qquad \text{performer: } e^{|x + y|^2} - 1, \qquad
  //   \text{rmfa: } 2\, I_0\!\left(2 \sqrt{2 M}\right) e^{-2 x \cdot y} - 1,$$
  //
  // $$M = \mathbb E\, (\omega \cdot x)^2 (\omega \cdot y)^2
  //   = |x|^2 |y|^2 + 2 (x \cdot y)^2 - 2 \sum_i x_i^2 y_i^2 .$$
  //
  // Trigonometric features know equal vectors exactly, positive ones opposite vectors. Maclaurin features
  // depend on $M$, which hardly knows the sign of $x \cdot y$, so relative to $K^2$ they are worst at
  // opposite vectors, and at
  // small norms they spend most of their draws on the degrees 0 and 1, whose terms are known.
  // `known=linear` takes the degrees 0 and 1 exactly. Lines are closed forms, points are measured where a
  // sample variance can be trusted.

  // %%
  std::vector<Panel> panels;
  for (const double norm : {0.5, 1.0}) {
    Panel panel = axes(fmt::format("|x| = |y| = {}", norm), "cosine of the angle",
                       "relative standard deviation, 64 real features", false, true);
    panel.x_ticks = {-1, -0.5, 0, 0.5, 1};
    panel.y_range = Range{3e-3, 10.0};
    for (const std::string name : {"rfa", "performer", "rmfa", "rmfa:known=linear"}) {
      const auto estimator = make_estimator(name);
      const Index draws = 64 / estimator->dimension(1);
      Series closed = series(name, {}, {}, panel.series.size() / 2, Look::line);
      Series measured = series(name, {}, {}, panel.series.size() / 2, Look::points);
      for (int degrees = 180; degrees >= 0; degrees -= 5) {
        const AttentionProblem pair = pair_of(norm, degrees);
        const KernelMoments exact = law(*estimator, pair, draws);
        closed.x.push_back(std::cos(degrees * std::acos(-1.0) / 180));
        closed.y.push_back(std::sqrt(exact.variance) / exact.target);
        if (degrees % 30 != 0 || (pair.Q + pair.K).squaredNorm() > 1.01) continue;
        Moments moments;
        for (const double x : kernel_estimates(*estimator, pair, draws, effort(2000, 40))) moments.add(x);
        measured.x.push_back(closed.x.back());
        measured.y.push_back(std::sqrt(moments.variance()));
      }
      panel.series.push_back(closed);
      panel.series.push_back(measured);
    }
    panels.push_back(panel);
  }
  show(figure("Which features are best where", "dimension 16; points: measured", panels), "angle");

  // %% [markdown]
  // ## A variance that does not exist
  //
  // Random Maclaurin features serve other kernels too, for instance $1/(1 - x \cdot y)$, whose coefficients
  // are all 1. Then the second moment is a geometric series in $2M$: it converges only for $2M < 1$. The
  // kernel itself, and the mean, may be perfectly tame. One angle, growing norms, relative standard deviation
  // of one draw:

  // %%
  print("norm   ");
  for (const char* kernel : {"exp", "inverse", "log", "sqrt"}) print("{:>10}", kernel);
  print("\n");
  for (const double norm : {0.4, 0.6, 0.8, 0.9}) {
    print("{:4.1f}   ", norm);
    for (const std::string kernel : {"exp", "inverse", "log", "sqrt"}) {
      const KernelMoments exact = law(*make_estimator("rmfa:kernel=" + kernel), pair_of(norm, 70), 1);
      print("{:>10}", std::isinf(exact.variance)
                          ? "infinite"
                          : fmt::format("{:.3f}", std::sqrt(exact.variance) / exact.target));
    }
    print("\n");
  }

  // %% [markdown]
  // Cutting the degrees off makes every moment finite, and trades the variance for a bias: `max-degree=T`
  // estimates the polynomial $f_T$ instead of $f$. The second moment of the part that was cut is hidden, not
  // cured.

  // %%
  const AttentionProblem close = pair_of(0.9, 30);
  print("max-degree   E K̂/K   relative sd of one draw\n");
  for (const char* degree : {"2", "5", "10", "20", "none"}) {
    const KernelMoments exact =
        law(*make_estimator(std::string("rmfa:kernel=inverse,max-degree=") + degree), close, 1);
    print("{:>10}   {:6.3f}   {:>23}\n", degree, exact.mean / exact.target,
          std::isinf(exact.variance) ? "infinite"
                                     : fmt::format("{:.4g}", std::sqrt(exact.variance) / exact.target));
  }

  // %% [markdown]
  // ## Tails
  //
  // A positive feature is log-normal. Its variance is finite, and no sample will tell you: the sample
  // variance lives on events that do not happen. The table draws many estimates at growing $|x + y|^2$ and
  // compares the sample variance with the closed form. The last columns are $\hat k$, the shape of a Pareto
  // tail fitted to the largest squared deviations (above 0.7 an average is not to be trusted), and the
  // kurtosis in closed form, which says how many draws a sample variance would need.

  // %%
  const auto performer = make_estimator("performer");
  const auto& map = dynamic_cast<const RatioEstimator&>(*performer).map();
  print("|x+y|²   sample variance   closed form   ratio    k̂     kurtosis\n");
  for (const double square : {0.5, 1.0, 2.0, 4.0, 8.0, 16.0}) {
    const AttentionProblem pair = pair_of(std::sqrt(square) / 2, 0);
    const std::vector<double> estimates = kernel_estimates(*performer, pair, 1, effort(20'000, 400));
    Moments moments;
    for (const double x : estimates) moments.add(x);
    std::vector<double> squares;
    for (const double x : estimates) squares.push_back((x - moments.mean()) * (x - moments.mean()));
    const KernelMoments exact = law(*performer, pair, 1);
    const double variance = exact.variance / (exact.target * exact.target);
    print("{:6.1f}   {:15.4g}   {:11.4g}   {:5.2g}   {:5.2f}   {:8.2g}\n", square, moments.variance(),
          variance, moments.variance() / variance, pareto_shape(squares).shape,
          map.kurtosis(pair.Q.row(0).transpose(), pair.K.row(0).transpose()));
  }

  Panel tails = axes("", "t", "share of draws with |K̂/K − 1| > t");
  tails.x_ticks = {0.1, 1, 10, 100};
  const AttentionProblem long_pair = pair_of(1.2, 60);
  for (const std::string& name : names) {
    const auto estimator = make_estimator(name);
    std::vector<double> deviations;
    const std::uint32_t many = effort(50'000, 500);
    for (const double x : kernel_estimates(*estimator, long_pair, 1, many))
      deviations.push_back(std::abs(x - 1));
    std::sort(deviations.begin(), deviations.end());
    Series survival = series(name, {}, {}, tails.series.size(), Look::line);
    for (double t = 0.1; t < 200; t *= 1.12) {
      const auto above = deviations.end() - std::upper_bound(deviations.begin(), deviations.end(), t);
      if (above < 10) break;  // fewer say nothing
      survival.x.push_back(t);
      survival.y.push_back(static_cast<double>(above) / many);
    }
    tails.series.push_back(survival);
  }
  show(figure("Tails of one draw", "|x| = |y| = 1.2 at 60°, dimension 16", {tails}), "tails");

  // %% [markdown]
  // Trigonometric estimates are bounded, so their curve ends; positive ones fall like a
  // log-normal number and reach furthest here. Maclaurin ones lie between: a draw of low degree is bounded
  // too, and the tail is made of rare high degrees.
  //
  // ## What the ratio makes of it
  //
  // Attention divides two such sums. The positive denominators cannot vanish. The others have a sign of their
  // own, and a denominator with a positive density at zero leaves the ratio without a mean: the average
  // squared error grows with the number of draws for ever, while the median is steady. Below, averages over
  // more and more draws.

  // %%
  const AttentionProblem problem =
      sample_queries(load_dataset("synthetic:gaussian,length=48,dim=16,norm=1.3,value-dim=4").problem, 8);
  print("                         mean square relative error after         median     denominators\n");
  print("estimator                  100 draws   1000 draws   all draws     of all     below zero\n");
  for (const std::string name : {"performer", "rfa", "rmfa:directions=gaussian"}) {
    const auto estimator = make_estimator(name);
    const Matrix exact = estimator->target(problem);
    std::vector<double> errors;
    Index negative = 0;
    const std::uint32_t all = effort(10'000, 200);
    for_each_draw(*estimator, problem, 16, all, [&](const AttentionEstimate& draw, const Matrix& output) {
      negative += (draw.denominator.array() < 0).count();
      for (Index i = 0; i < exact.rows(); ++i)
        errors.push_back((output.row(i) - exact.row(i)).norm() / exact.row(i).norm());
    });
    print("{:24}", name);
    for (const std::size_t until : {std::size_t{100}, std::size_t{1000}, std::size_t{all}}) {
      double sum = 0.0;
      const std::size_t taken = std::min(errors.size(), until * static_cast<std::size_t>(exact.rows()));
      for (std::size_t i = 0; i < taken; ++i) sum += errors[i] * errors[i];
      print("  {:10.3g}", sum / static_cast<double>(taken));
    }
    std::sort(errors.begin(), errors.end());
    print("  {:10.3f}   {:9.2f} %\n", sorted_quantile(errors, 0.5),
          100.0 * static_cast<double>(negative) / static_cast<double>(errors.size()));
  }

  // %% [markdown]
  // So a mean square error of a trigonometric or Maclaurin ratio is not a number one can quote. The library
  // says so: its rows carry the status `no-moment`, and the median with its quartiles is what remains.

  // %% tags=["program"]
  return 0;
}
