// %% [markdown]
// # Random feature attention as a sum of control variates
//
// Where does the error of random feature attention come from, and what would remove it? Zheng, Yuan, Wang and
// Kong (ICLR 2023) split the estimate into one term per key. In that form it is a sum of *control variate*
// estimators that are all forced to share one coefficient. Giving every key its own best coefficient brings
// back softmax; what lies between is their estimator EVA. This notebook walks the whole path on one query of
// a real head.

// %%
#include "analysis/moments.hpp"
#include "estimators/estimator_table.hpp"
#include "notebooks-cpp/notebook.hpp"

#include <cmath>

using namespace attngap;
using namespace attngap::notebook;

// %% tags=["program"]
int main(int count, char** arguments) {
  open(count, arguments);

  // %% [markdown]
  // ## One term per key
  //
  // Fix a query. A draw of $m$ directions gives each key $j$ a random weight $h_j$, in units of the exact
  // normaliser, so that $\mathbb E\, h_j = \pi_j$ is its attention weight. With
  // $g_j = h_j v_j$, $g = \sum_j g_j$ and $h = \sum_j h_j$ the estimate is
  //
  // $$\frac{g}{h} = \sum_j \left[\, g_j - \beta\, h_j + \beta\, \pi_j \,\right]
  //   \qquad\text{with}\quad \beta = \frac{g}{h},$$
  //
  // because $\sum_j (g_j - \beta h_j) = 0$ for this $\beta$ and $\sum_j \pi_j = 1$. Each bracket is the
  // estimate $g_j$ of $\pi_j v_j$, corrected by a variable $h_j$ whose mean is known: a control variate. The
  // library returns the terms of any draw.

  // %%
  const Dataset head = bundled("ppocr4_L512_l0_h3.npz");
  const AttentionProblem problem = sample_queries(head.problem, 3);
  const Index query = 1;
  const auto performer = make_estimator("performer");

  const Decomposition parts = performer->decompose(problem, query, 64, {.seed = 1});
  print("estimate, first three channels   {:8.4f} {:8.4f} {:8.4f}\n", parts.estimate(0), parts.estimate(1),
        parts.estimate(2));
  print("exact                            {:8.4f} {:8.4f} {:8.4f}\n", parts.exact(0), parts.exact(1),
        parts.exact(2));
  const Vector rest = parts.estimate - parts.term.colwise().sum().transpose();
  print("the terms of {} keys add up to the estimate: {}\n", parts.h.size(), rest.norm() < 1e-12);
  print("h = {:.3f}, with mean 1; h_j / π_j goes from {:.3f} to {:.3f} over the keys\n", parts.h.sum(),
        (parts.h.array() / parts.pi.array()).minCoeff(), (parts.h.array() / parts.pi.array()).maxCoeff());

  // %% [markdown]
  // ## The coefficient is a choice
  //
  // The error of such a sum is
  //
  // $$\sum_j (h_j - \pi_j)\,(v_j - \beta_j),$$
  //
  // for *any* coefficients $\beta_j$. It vanishes where the weights are exact, or where $\beta_j = v_j$.
  // Fixed coefficients leave it without bias; a coefficient computed from the draw correlates with $h$ and
  // biases it. The candidates, from nothing to everything:
  //
  // - `zero`: $\beta = 0$, plain importance sampling;
  // - `oracle`: $\beta = A$, the exact output, which nobody has;
  // - `ratio`: $\beta = g/h$, random feature attention itself;
  // - `regression`: $\beta = \operatorname{Cov}(g, h)/\operatorname{Var}(h)$ in closed form, the best fixed
  //   coefficient that all keys can share;
  // - `estimated`: the same from the draw's own directions;
  // - `group`: $\beta_c = g_c/h_c$ in each of $C$ groups of neighbouring keys;
  // - `key`: $\beta_j = v_j$.
  //
  // All of them look at the same draws below, once on a synthetic problem of short vectors and once on the
  // head. The numbers are root mean square errors over the draws. What tells the two problems apart is
  // $\mathbb E\, W^2 = \sum_{jj'} \mathbb E\, h_j h_{j'}$ of one direction: theory to leading order needs
  // many more directions than that.

  // %%
  const AttentionProblem easy = sample_queries(
      load_dataset("synthetic:gaussian,length=48,dim=8,norm=0.5,value-dim=3,values=linear").problem, 2);
  constexpr Index kDirections = 64;

  struct Policy {
    std::string name;
    Coefficient coefficient;
    Index groups;
  };
  std::vector<Policy> policies;
  for (const auto& named : coefficients()) {
    if (named.coefficient != Coefficient::group) {
      policies.push_back({std::string(named.name), named.coefficient, 1});
    } else {
      for (const Index groups : {4, 16, 48})
        policies.push_back({fmt::format("group, {} groups", groups), named.coefficient, groups});
    }
  }

  std::vector<std::vector<double>> errors;  // of each policy, on either problem
  std::vector<Vector> best;                 // the coefficient `regression`
  for (const AttentionProblem* on : {&easy, &problem}) {
    best.push_back(performer->best_shared_coefficient(*on, query, kDirections));
    std::vector<Moments> squares(policies.size());
    for (std::uint32_t r = 0; r < effort(800, 40); ++r) {
      const KeyWeights weights = performer->key_weights(*on, query, kDirections, {1, 0, r});
      for (std::size_t i = 0; i < policies.size(); ++i) {
        const Decomposition split =
            decompose(weights, on->V, {policies[i].coefficient, policies[i].groups, &best.back()});
        squares[i].add((split.estimate - split.exact).squaredNorm());
      }
    }
    errors.emplace_back();
    for (const Moments& square : squares) errors.back().push_back(std::sqrt(square.mean()));
  }

  // With a fixed coefficient shared by all keys the variance is known exactly.
  const Matrix covariance = performer->key_covariance(easy, query);
  const Vector pi = performer->key_weights(easy, query, 1, {1, 0, 0}).expected;
  const auto known = [&](const Vector& beta) {
    const Matrix centred = easy.V.rowwise() - beta.transpose();
    const double second = (centred.transpose() * covariance * centred).trace();
    return std::sqrt((second - (centred.transpose() * pi).squaredNorm()) / kDirections);
  };
  print("coefficient         synthetic         head\n");
  for (std::size_t i = 0; i < policies.size(); ++i)
    print("{:17}  {:10.4f}   {:10.4f}\n", policies[i].name, errors[0][i], errors[1][i]);
  print("\nsynthetic, exactly: zero {:.4f}, oracle {:.4f}, regression {:.4f}\n", known(Vector::Zero(3)),
        known(easy.V.transpose() * pi), known(best[0]));
  print("E W²: synthetic {:.3g}, head {:.3g}\n", covariance.sum(),
        performer->key_covariance(problem, query).sum());

  // %% [markdown]
  // Four things to read from the table.
  //
  // - On the synthetic problem theory rules. `regression` is the best that one coefficient for all keys can
  //   do. `ratio` tends to `oracle`, which is *a* shared coefficient and not the best one; it need not even
  //   be better than `zero`.
  // - On the head, where the directions are too few for theory, the order is another one. `regression` is
  //   the best of all *fixed* coefficients, and every fixed one inherits the heavy tail of $h$. `ratio` moves
  //   with its draw: its weights $h_j/h$ are positive and sum to one, so it never leaves the hull of the
  //   values, whatever $h$ does. That is what self-normalisation is for, and what it costs is bias.
  // - `estimated` needs no closed form, and on the synthetic problem it is as good as `regression`.
  // - Groups help as far as neighbours have similar values, and singletons (`key`) leave nothing: that is
  //   softmax, at the cost of softmax.
  //
  // ## Where the bias of the ratio comes from
  //
  // Since $\mathbb E\,[\hat\beta h] = \mathbb E\, g = A$ and $\mathbb E\, h = 1$ for $\hat\beta = g/h$,
  //
  // $$\mathbb E\, \hat\beta - A = -\,\operatorname{Cov}(\hat\beta, h),$$
  //
  // exactly and for every $m$: the ratio is biased because it is small when its denominator happens to be
  // large. We compare both sides, with the leading term of the theory, on the synthetic problem.

  // %%
  const Decomposition first = performer->decompose(easy, query, 8, {.seed = 1});
  const Matrix from_exact = easy.V.rowwise() - first.exact.transpose();
  const Vector leading = -(covariance.rowwise().sum().transpose() * from_exact).transpose();

  print(" m   channel   mean of g/h - A   -Cov(g/h, h)   difference           leading term\n");
  for (const Index m : {4, 16, 64}) {
    Matrix ratios(effort(20'000, 200), 3);
    Vector sums(ratios.rows());
    for (Index r = 0; r < ratios.rows(); ++r) {
      const KeyWeights weights =
          performer->key_weights(easy, query, m, {5, 0, static_cast<std::uint32_t>(r)});
      sums(r) = weights.drawn.sum();
      ratios.row(r) = weights.drawn.transpose() * easy.V / sums(r);
    }
    for (Index c = 0; c < 3; ++c) {
      Moments bias, product, difference;
      for (Index r = 0; r < ratios.rows(); ++r) {
        const double error = ratios(r, c) - first.exact(c);
        bias.add(error);
        product.add(-error * (sums(r) - 1));
        difference.add(error * sums(r));
      }
      print("{:2}   {:7}   {:15.5f}   {:12.5f}   {:8.5f} ± {:.5f}   {:12.5f}\n", m, c, bias.mean(),
            product.mean(), difference.mean(), difference.standard_error_of_mean(),
            leading(c) / static_cast<double>(m));
    }
  }

  // %% [markdown]
  // The two sides are different averages over the same draws, and their
  // difference is what chance leaves. The leading term,
  // $-\frac1m \sum_{jj'} C_{jj'} (v_j - A)$ with $C_{jj'} = \mathbb E\, h_j h_{j'}$ of one direction, takes
  // over as $m$ grows.
  //
  // ## Which keys the error comes from
  //
  // Back to the head. For every key, the root mean square of what it adds to the error,
  // $|h_j - \pi_j|\,|v_j - \beta_j|$, against its attention weight. One shared coefficient leaves each key an
  // error in proportion to its weight; groups lower it everywhere at once.

  // %%
  Panel panel = axes("", "attention weight π of the key", "what the key adds to the error");
  panel.x_ticks = {0.0005, 0.001, 0.002, 0.005};
  struct Shown {
    const char* label;
    Coefficient coefficient;
    Index groups;
  };
  for (const Shown& shown : {Shown{"zero", Coefficient::zero, 1}, Shown{"ratio", Coefficient::ratio, 1},
                             Shown{"group, 128 groups", Coefficient::group, 128}}) {
    Vector squares = Vector::Zero(parts.pi.size());
    const std::uint32_t looks = effort(200, 10);
    for (std::uint32_t r = 0; r < looks; ++r) {
      const KeyWeights weights = performer->key_weights(problem, query, 64, {1, 0, r});
      squares +=
          decompose(weights, problem.V, {shown.coefficient, shown.groups}).error.rowwise().squaredNorm();
    }
    Series points = series(shown.label, {}, {}, panel.series.size(), Look::points);
    for (Index j = 0; j < squares.size(); j += 3) {  // every third key is plenty to see
      points.x.push_back(parts.pi(j));
      points.y.push_back(std::sqrt(squares(j) / looks));
    }
    panel.series.push_back(points);
  }
  show(figure("Error by key", head.name + ", one query, 64 directions", {panel}), "keys");

  // %% [markdown]
  // ## From RFA to softmax
  //
  // EVA turns this into an algorithm. Keys in a window around the query get $\beta_j = v_j$, that is, exact
  // attention; the others are cut into groups, and each group draws its own directions around a mean that
  // suits it. With no window, one group and directions around zero it is random feature attention, with as
  // many groups as keys it is softmax.

  // %%
  Panel path =
      axes("", "m: groups (eva), proposals (lara), directions (performer)", "median ‖error‖ / ‖exact‖");
  const AttentionProblem some = sample_queries(head.problem, 16);
  const std::vector<Index> counts = doublings(2, 256);
  for (const std::string name : {"performer", "lara", "eva:window=0", "eva:window=16"}) {
    const auto estimator = make_estimator(name);
    std::vector<double> medians;
    for (const Index m : counts) medians.push_back(median_relative_error(*estimator, some, m, effort(16, 2)));
    path.series.push_back(series(name, numbers(counts), medians, path.series.size()));
  }
  show(figure("From random features to softmax", head.name + ", 16 queries", {path}), "path");

  const auto all = make_estimator("eva:window=0");
  print("eva without a window, as many groups as keys: it is softmax: {}\n",
        median_relative_error(*all, some, some.keys(), 1) < 1e-12);

  // %% [markdown]
  // A group is worth more than a direction, and the reason is in the formula: a direction reduces the noise
  // in $h_j - \pi_j$ by averaging, a group reduces $v_j - \beta_j$, which is a number that can
  // become zero. `lara` averages too, but draws its directions around places that suit the head, and with
  // enough of them that is worth as much as groups, until the groups become small.

  // %% tags=["program"]
  return 0;
}
