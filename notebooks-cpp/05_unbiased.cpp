// %% [markdown]
// # Is it unbiased?
//
// "Unbiased" is the most frequent claim in papers on random feature attention, and the one most often meant
// of something else: of the kernel and not of the output, of the formula and not of the code, of an average
// that no sample shows. This notebook asks the question properly: what can an experiment say about a bias,
// how large is that of a ratio, why does a sample of heavy tails lie, and what can be done.

// %%
#include "analysis/inference.hpp"
#include "analysis/moments.hpp"
#include "analysis/prediction.hpp"
#include "analysis/tail_inference.hpp"
#include "analysis/unbiasedness.hpp"
#include "estimators/estimator_table.hpp"
#include "notebooks-cpp/notebook.hpp"

#include <algorithm>
#include <cmath>

using namespace attngap;
using namespace attngap::notebook;

// %% tags=["program"]
int main(int count, char** arguments) {
  open(count, arguments);

  // %% [markdown]
  // ## A question with three answers
  //
  // A confidence interval that contains zero proves nothing: with few draws it nearly always does. So the
  // claim gets a margin $\delta$, and two one-sided tests (Schuirmann 1987): an interval that lies inside
  // $\pm\delta$ says *equivalent*, one outside says *refuted*, one across the edge says *undecided*, and how
  // many draws would decide. The library applies this to every query and channel at once, with Holm's
  // correction, so that the chance of any false verdict stays below 5 % at each look. Here is one estimator
  // whose output is unbiased by a theorem, and one whose output is not, as the number of draws grows.

  // %%
  const AttentionProblem problem =
      sample_queries(load_dataset("synthetic:gaussian,length=32,dim=8,norm=1,value-dim=2").problem, 4);
  const std::vector<std::uint32_t> looks{effort(100, 20), effort(1'000, 40), effort(8'000, 80)};

  print("draws      ra, 8 draws averaged   performer, 8 directions\n");
  const auto randomized = make_estimator("ra"), performer = make_estimator("performer");
  const UnbiasednessStudy of_ra({*randomized, problem, 8, 0.05}),
      of_performer({*performer, problem, 8, 0.05});
  std::vector<Moments> ra_errors = of_ra.errors(0, 0), performer_errors = of_performer.errors(0, 0);
  std::uint32_t done = 0;
  for (const std::uint32_t draws : looks) {
    const auto more_ra = of_ra.errors(done, draws - done), more = of_performer.errors(done, draws - done);
    for (std::size_t i = 0; i < more.size(); ++i) {
      ra_errors[i].merge(more_ra[i]);
      performer_errors[i].merge(more[i]);
    }
    done = draws;
    print("{:6}   {:>22}   {:>23}\n", draws, verdict_text(of_ra.judge(ra_errors)),
          verdict_text(of_performer.judge(performer_errors)));
  }

  // %% [markdown]
  // ## A table of estimators
  //
  // The same judge over the library's estimators, margin 5 % of the size of a query's output. "Largest bias"
  // is that of all queries and channels, in units of the margin. `noise=released` and `released-code` repeat
  // what the authors' published code does, `proposal=mean` is one of its options; a ratio whose denominator
  // can vanish has no mean to judge.

  // %%
  print("{:36} {:>3}   {:>16}   {}\n", "estimator", "m", "verdict", "largest bias / margin");
  for (const auto& [name, m] :
       std::vector<std::pair<std::string, Index>>{{"ra", 8},
                                                  {"ra:noise=released", 8},
                                                  {"ra:proposal=mean", 8},
                                                  {"lara:normalized=none", 8},
                                                  {"lara", 8},
                                                  {"eva:window=4", 4},
                                                  {"eva:window=4,released-code=on", 4},
                                                  {"performer", 8},
                                                  {"performer", 512},
                                                  {"performer:projection=orthogonal", 8},
                                                  {"rfa", 8},
                                                  {"rmfa:directions=gaussian", 8},
                                                  {"mean-value", 1}}) {
    const auto estimator = make_estimator(name);
    const UnbiasednessStudy study({*estimator, problem, m, 0.05});
    const auto errors = study.errors(0, effort(m > 100 ? 1'000 : 12'000, 50));
    const Matrix exact = estimator->target(problem);
    double largest = 0.0;
    for (std::size_t i = 0; i < errors.size(); ++i) {
      const double size =
          exact.row(static_cast<Index>(i) / exact.cols()).norm() / std::sqrt(double(exact.cols()));
      largest = std::max(largest, std::abs(errors[i].mean()) / (0.05 * size));
    }
    print("{:36} {:3}   {:>16}   {}\n", name, m, verdict_text(study.judge(errors)),
          estimator->has_moments() ? fmt::format("{:.2f}", largest) : "no moment");
  }

  // %% [markdown]
  // An unbiased kernel is not an unbiased output. What is unbiased by construction needs either the exact
  // normaliser
  // (`lara:normalized=none`) or samples from the attention itself (`ra`), and both cost as much as softmax.
  //
  // ## How large the bias is
  //
  // To leading order in the number $m$ of directions, with $C_{jj'} = \mathbb E\, h_j h_{j'}$ of one
  // direction,
  //
  // $$\text{bias} = -\frac1m \sum_{jj'} C_{jj'}\,(v_j - A), \qquad
  //   \text{variance} = \frac1m \sum_{jj'} C_{jj'}\,(v_j - A)^2_{jj'} ,$$
  //
  // where $(v_j - A)^2_{jj'}$ stands for $(v_j - A)(v_{j'} - A)$, channel by channel. The squared bias falls
  // like $m^{-2}$, the variance like $m^{-1}$: bias is a matter of few directions. The figure
  // is of a problem of shorter vectors, for which theory is good early: points are measured, where they
  // exceed their noise, and lines predicted.

  // %%
  const auto* ratio = dynamic_cast<const RatioEstimator*>(performer.get());
  const AttentionProblem shorter =
      sample_queries(load_dataset("synthetic:gaussian,length=32,dim=8,norm=0.6,value-dim=2").problem, 4);
  const RatioPrediction predicted = predict(*ratio, shorter);
  print("E W² of the queries: {:.2f} to {:.2f}; theory is trusted from m = {:.0f}\n",
        predicted.ew2.minCoeff(), predicted.ew2.maxCoeff(), draws_needed(predicted.ew2.maxCoeff()));
  Panel panel = axes("", "random directions m", "mean square, per output number");
  Series bias = series("squared bias", {}, {}, 0, Look::points),
         variance = series("variance", {}, {}, 1, Look::points);
  Series bias_line = series("squared bias", {}, {}, 0, Look::line);
  Series variance_line = series("variance", {}, {}, 1, Look::line);
  for (const Index m : doublings(2, 256)) {
    const UnbiasednessStudy study({*performer, shorter, m, 0.05});
    double bias2 = 0.0, spread = 0.0, noise = 0.0;
    const auto errors = study.errors(0, effort(12'000, 50));
    for (const Moments& error : errors) {
      const double standard_error = error.standard_error_of_mean();
      bias2 += (error.mean() * error.mean() - standard_error * standard_error) /
               static_cast<double>(errors.size());
      noise += standard_error * standard_error / static_cast<double>(errors.size());
      spread += error.variance() / static_cast<double>(errors.size());
    }
    const double x = static_cast<double>(m);
    variance.x.push_back(x);
    variance.y.push_back(spread);
    if (bias2 > noise) {  // below that it is noise
      bias.x.push_back(x);
      bias.y.push_back(bias2);
    }
    bias_line.x.push_back(x);
    bias_line.y.push_back(predicted.bias_at(m).squaredNorm() / static_cast<double>(predicted.bias.size()));
    variance_line.x.push_back(x);
    variance_line.y.push_back(predicted.variance_at(m).mean());
  }
  panel.series = {bias, variance, bias_line, variance_line};
  show(figure("Bias and variance of a ratio", "performer on a synthetic problem; lines: first-order theory",
              {panel}),
       "bias");

  // %% [markdown]
  // ## When a sample lies
  //
  // The kernel estimate of positive features *is* unbiased, for any two vectors. Yet for long ones every
  // sample says otherwise: its mean consists of events so rare that the sample does not contain them, and
  // neither does its standard error. The naive interval below is Student's, at 95 %; the truth is 1.

  // %%
  print("|x+y|²   mean of K̂/K   naive interval      contains 1   Pareto k̂ of the draws\n");
  for (const double square : {1.0, 4.0, 9.0, 16.0, 25.0}) {
    Matrix x = Matrix::Zero(1, 8);
    x(0, 2) = std::sqrt(square) / 2;
    const AttentionProblem pair = make_problem(x, x, Matrix::Ones(1, 1), Mask::none, 1.0);
    std::vector<double> estimates;
    for_each_draw(*performer, pair, 1, effort(10'000, 200),
                  [&](const AttentionEstimate& draw, const Matrix&) {
                    estimates.push_back(draw.denominator(0) * std::exp(draw.log_scale(0) - square / 4));
                  });
    const Estimated mean = mean_with_interval(estimates);
    print("{:6.0f}   {:12.4f}   {:6.4f} … {:6.4f}   {:>10}   {:5.2f}{}\n", square, mean.value, mean.low,
          mean.high, mean.low < 1 && 1 < mean.high ? "yes" : "no", pareto_shape(estimates).shape,
          pareto_shape(estimates).trusted ? "" : "  not to be trusted");
  }

  // %% [markdown]
  // The shape $\hat k$ of the tail gives the warning that the standard error cannot. This is why the library
  // prints quantiles of $|q + k|^2$ for every head, and refuses sample variances with a heavy tail.
  //
  // ## A repair: the jackknife
  //
  // The bias of a ratio has the expansion $b_1/m + b_2/m^2 + \dots$, so leaving out one direction at a time
  // shows it: with $r$ the ratio of all directions and $r_{(-s)}$ that without direction $s$,
  //
  // $$r_{\text{jack}} = m\, r - (m - 1)\, \frac1m \sum_s r_{(-s)}$$
  //
  // has no $b_1/m$ (Quenouille 1956). It needs nothing but the sums that were computed anyway.

  // %%
  print(" m   channel   bias of the ratio     of the jackknife     sd of the ratio   of the jackknife\n");
  for (const Index m : {4, 8, 16}) {
    std::vector<Moments> plain(2), repaired(2);
    const Decomposition exact = performer->decompose(problem, 1, m, {.seed = 1});
    for (std::uint32_t r = 0; r < effort(6'000, 100); ++r) {
      const Matrix sums = performer->key_weights(problem, 1, m, {2, 0, r}).direction_sums;  // [g_s, h_s]
      const Vector total = sums.colwise().sum().transpose();
      for (Index c = 0; c < 2; ++c) {
        const double all = total(c) / total(2);
        const double without = ((total(c) - sums.col(c).array()) / (total(2) - sums.col(2).array())).mean();
        plain[std::size_t(c)].add(all - exact.exact(c));
        repaired[std::size_t(c)].add(double(m) * all - double(m - 1) * without - exact.exact(c));
      }
    }
    for (std::size_t c = 0; c < 2; ++c) {
      print("{:2}   {:7}   {:7.4f} ± {:.4f}   {:9.4f} ± {:.4f}   {:15.4f}   {:16.4f}\n", m, c,
            plain[c].mean(), plain[c].standard_error_of_mean(), repaired[c].mean(),
            repaired[c].standard_error_of_mean(), std::sqrt(plain[c].variance()),
            std::sqrt(repaired[c].variance()));
    }
  }

  // %% [markdown]
  // It trades bias for variance, and variance is the larger part of the error, as the figure above shows.
  //
  // So, is it unbiased? The kernel is; the output of a ratio is not, and with directions enough it does not
  // matter, because its squared bias falls twice as fast as its variance. Where a method has no $m$ that
  // averages its bias away, as EVA with few groups or the released variants of the table, the bias *is* the
  // error. In either case the first thing to know is how many directions the head needs, and that is decided
  // by $|q + k|^2$.

  // %% tags=["program"]
  return 0;
}
