// %% [markdown]
// # Attention as an expectation
//
// Softmax attention answers a query $q$ with a mean of the values $v_1, \dots, v_l$,
//
// $$A(q) = \sum_m \pi_m v_m, \qquad \pi_m = \frac{e^{q \cdot k_m}}{Z}, \qquad Z = \sum_j e^{q \cdot k_j},$$
//
// where the factor $1/\sqrt d$ is split evenly: $q$ and $k$ are already divided by $d^{1/4}$. Its cost is one
// weight per pair of tokens. Random features replace it by a sum over $m$ random directions, at a cost that
// is linear in the length. This notebook shows in what sense that is exact, where the exactness is lost, and
// what decides how many directions are needed. The sources are Choromanski et al. (ICLR 2021) for the
// features, Zheng, Wang and Kong (ICML 2022) for the view of importance sampling.

// %%
#include "analysis/moments.hpp"
#include "analysis/prediction.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/feature_map.hpp"
#include "notebooks-cpp/notebook.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace attngap;
using namespace attngap::notebook;

// %% tags=["program"]
int main(int count, char** arguments) {
  open(count, arguments);

  // %% [markdown]
  // ## One weight is an expectation
  //
  // For $w \sim \mathcal N(0, I)$ the moment generating function of a normal number says
  // $\mathbb E\, e^{w \cdot z} = e^{|z|^2/2}$. With $z = x + y$ this is
  //
  // $$e^{x \cdot y} = \mathbb E\, \phi_w(x)\, \phi_w(y), \qquad \phi_w(x) = e^{w \cdot x - |x|^2/2},$$
  //
  // and a mean over $m$ independent directions estimates the weight without bias. One direction has the
  // relative variance $e^{|x+y|^2} - 1$: everything depends on how long the *sum* of query and key is. Below,
  // a pair of vectors with $|x| = |y|$ is turned from opposite to equal; each line compares the mean of many
  // estimates from one direction with the weight, and their spread with the closed form.

  // %%
  const FeatureMap& positive = feature_map_named("positive");
  const auto performer = make_estimator("performer");

  print("angle  |x+y|²   e^(x·y)   mean estimate   relative sd   closed form\n");
  for (const double angle : {180.0, 120.0, 90.0, 60.0}) {
    const double turn = angle * std::acos(-1.0) / 180;
    Matrix x(1, 2), y(1, 2);
    x << 0.6, 0.0;
    y << 0.6 * std::cos(turn), 0.6 * std::sin(turn);
    const AttentionProblem pair = make_problem(x, y, Matrix::Ones(1, 1), Mask::none, 1.0);

    Moments weight;
    for_each_draw(*performer, pair, 1, effort(20'000, 500),
                  [&](const AttentionEstimate& draw, const Matrix&) {
                    weight.add(draw.denominator(0) * std::exp(draw.log_scale(0)));
                  });
    const Vector a = x.row(0).transpose(), b = y.row(0).transpose();
    print("{:5.0f}  {:6.2f}  {:8.4f}  {:7.4f} ± {:.4f}  {:11.3f}  {:12.3f}\n", angle, (a + b).squaredNorm(),
          positive.kernel(a, b), weight.mean(), weight.standard_error_of_mean(),
          std::sqrt(weight.variance()) / positive.kernel(a, b),
          std::sqrt(positive.variance(a, b, 1)) / positive.kernel(a, b));
  }

  // %% [markdown]
  // Opposite vectors are estimated without any error at all, and the error grows with the alignment: positive
  // features are best exactly where the weight is small. That is good for a weight that should be negligible,
  // and bad for the few that carry the attention.
  //
  // ## The whole output is an expectation too
  //
  // A ratio of two unbiased estimates is not unbiased, so the output needs another argument. Draw a key from
  // the attention itself and shift a normal vector by it:
  //
  // $$m \sim \pi, \qquad w \mid m \sim \mathcal N(q + k_m, I).$$
  //
  // Bayes' rule gives the probability that a given $w$ came from key $m$; the query cancels in it:
  //
  // $$P(m \mid w) \propto e^{w \cdot k_m - |k_m|^2/2}, \qquad f(w) = \sum_m P(m \mid w)\, v_m.$$
  //
  // So $f(w) = \mathbb E[v_m \mid w]$, and the tower rule yields $\mathbb E\, f(w) = \mathbb E\, v_m = A(q)$,
  // exactly. This is *randomized attention*. It also conditions away some noise: its covariance cannot exceed
  // that of the value of one sampled key. We check both on eight queries of a head of a text recogniser,
  // which is bundled with the library.

  // %%
  const Dataset head = bundled("ppocr4_L512_l0_h3.npz");
  const AttentionProblem problem = sample_queries(head.problem, 8);
  print("{} keys of dimension {}, values of dimension {}\n\n", problem.keys(), problem.head_dim(),
        problem.value_dim());

  const auto randomized = make_estimator("ra");
  const Matrix exact = randomized->target(problem);
  Matrix sum = Matrix::Zero(exact.rows(), exact.cols());
  Vector squares = Vector::Zero(exact.rows());
  const std::uint32_t draws = effort(4000, 100);
  for_each_draw(*randomized, problem, 1, draws, [&](const AttentionEstimate&, const Matrix& output) {
    sum += output - exact;
    squares += (output - exact).rowwise().squaredNorm();
  });

  const Matrix logits = problem.scaled_queries() * problem.scaled_keys().transpose();
  print("query   |A|    |mean error|   as chance would have it   variance   of one sampled key\n");
  for (Index i = 0; i < exact.rows(); ++i) {
    const Vector weight = (logits.row(i).array() - logits.row(i).maxCoeff()).exp().matrix();
    const Vector pi = weight / weight.sum();
    const double one_key = (problem.V.rowwise() - exact.row(i)).rowwise().squaredNorm().dot(pi);
    const double variance = squares(i) / draws;
    print("{:5} {:6.3f}  {:12.4f}  {:24.4f}  {:9.3f}  {:19.3f}\n", problem.positions[std::size_t(i)],
          exact.row(i).norm(), (sum.row(i) / draws).norm(), std::sqrt(variance / draws), variance, one_key);
  }

  // %% [markdown]
  // The mean error is of the size that chance leaves of so many draws. But look at the price: sampling a key
  // needs its weight, so a draw costs as much as exact attention. Randomized attention is an *explanation*,
  // not an algorithm.
  //
  // ## The algorithm: draw from somewhere else, and weight
  //
  // Draw $w_1, \dots, w_m$ from $\mathcal N(0, I)$ instead of from
  // $p(w) = \sum_m \pi_m\, \mathcal N(w;\, q + k_m, I)$ and correct
  // by the ratio $W$ of the two densities, normalised by its own sum because $Z$ is unknown:
  //
  // $$\frac{\sum_s W(w_s)\, f(w_s)}{\sum_s W(w_s)}
  //   = \frac{\sum_s \phi_{w_s}(q) \sum_m \phi_{w_s}(k_m)\, v_m}{\sum_s \phi_{w_s}(q) \sum_m
  //   \phi_{w_s}(k_m)}.$$
  //
  // The two sides are the same number, draw by draw: random feature attention *is* self-normalised importance
  // sampling. The sums over keys no longer contain the query, hence the linear cost. The price is the
  // mismatch of proposal and target, measured by
  //
  // $$\mathbb E\, W^2 = \sum_{m, m'} \pi_m \pi_{m'}\, e^{(q + k_m) \cdot (q + k_{m'})} = 1 + \chi^2 :$$
  //
  // $m$ directions are worth about $m / \mathbb E\, W^2$ draws of randomized attention. The library has this
  // number in closed form. Here are its median and its upper quartile over queries of four
  // heads.

  // %%
  const std::vector<std::string> heads{"ppocr4_L512_l0_h3.npz", "lm_kjv_l0_h3.npz:mask=causal",
                                       "ppocr4_L512_l1_h3.npz", "lm_kjv_l2_h0.npz:mask=causal"};
  const auto* ratio = dynamic_cast<const RatioEstimator*>(performer.get());
  print("head                  median E W²      quarter of the queries above\n");
  for (const std::string& name : heads) {
    const Dataset other = bundled(name);
    Vector ew2 = predict(*ratio, sample_queries(other.problem, effort(32, 8))).ew2;
    std::sort(ew2.begin(), ew2.end());
    print("{:20}  {:11.3g}  {:28.3g}\n", other.name, ew2(ew2.size() / 2), ew2(3 * ew2.size() / 4));
  }

  // %% [markdown]
  // The heads span many orders of magnitude. Where attention is close to uniform a few hundred directions are
  // worth something; where it is sharp, no affordable number is, whatever the length of the sequence.
  //
  // ## What it looks like
  //
  // The median relative error on the first head, against the number of directions. Randomized attention
  // falls like $m^{-1/2}$ from its first draw. First-order theory would put `performer` on a parallel line,
  // higher by $\sqrt{\mathbb E\, W^2}$. With fewer directions than $\mathbb E\, W^2$ it is not there yet: it
  // starts below that line, because a weighted mean cannot leave the hull of the values, and falls more
  // slowly.

  // %%
  Panel panel = axes("", "random directions m", "median ‖error‖ / ‖exact‖");
  const std::vector<Index> counts = doublings(8, 1024);
  for (const std::string name : {"ra", "performer", "performer:features=hyperbolic", "rfa"}) {
    const auto estimator = make_estimator(name);
    std::vector<double> errors;
    for (const Index m : counts)
      errors.push_back(median_relative_error(*estimator, problem, m, effort(m > 256 ? 12 : 24, 3)));
    panel.series.push_back(series(name, numbers(counts), errors, panel.series.size()));
  }
  const auto mean_value = make_estimator("mean-value");
  panel.baselines.push_back({"mean-value", median_relative_error(*mean_value, problem, 1, 1)});
  panel.guides.push_back({-0.5, "slope −1/2"});
  show(figure("Attention drawn from its own law, and from the standard normal law",
              head.name + ", eight queries", {panel}),
       "expectation");

  // %% [markdown]
  // The dashed baseline is the mean of all values, which looks at no query. An estimator above it says less
  // than nothing about the attention, however unbiased its kernel is. Notebook 2 asks which part of the error
  // could have been avoided; notebook 5 asks what "unbiased" is worth.

  // %% tags=["program"]
  return 0;
}
