#include "analysis/claim_checks.hpp"

#include "analysis/decisions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <fmt/format.h>

namespace attngap {
namespace {

// By how much `found` exceeds `bound`, relative to the largest number around.
double excess(double found, double bound, double unit) {
  if (std::isnan(found) || std::isnan(bound)) return std::numeric_limits<double>::quiet_NaN();
  if (found <= bound) return 0.0;
  if (std::isinf(found)) return std::numeric_limits<double>::infinity();
  return (found - bound) / std::max({std::abs(found), std::abs(bound), unit});
}

// P(T ≥ t) with `freedom` degrees of freedom; 0 or 1 where the numbers do not vary.
double upper_tail(double distance, double error, double freedom) {
  if (error == 0.0) return distance > 0 ? 0.0 : 1.0;
  return boost::math::cdf(boost::math::complement(boost::math::students_t(freedom), distance / error));
}

struct MeanTest {
  double p_within = 1.0;   // of "outside the margin"
  double p_outside = 1.0;  // of "within the margin"
};

MeanTest test_mean(const MeanWithin& mean) {
  const auto freedom = static_cast<double>(mean.errors.count() - 1);
  const double error = mean.errors.standard_error_of_mean(), size = std::abs(mean.errors.mean());
  if (mean.errors.count() < 2 || !std::isfinite(error)) return {};
  return {upper_tail(mean.margin - size, error, freedom), upper_tail(size - mean.margin, error, freedom)};
}

std::string describe(const MeanWithin& mean, double alpha) {
  const EquivalenceVerdict one = equivalence_test(mean.errors, mean.margin, alpha);
  return fmt::format("{}: mean {:.4g} ± {:.2g}, interval [{:.4g}, {:.4g}], margin ±{:.4g}", mean.instance,
                     one.mean.value, one.mean.std_error, one.mean.low, one.mean.high, mean.margin);
}

}  // namespace

void ExactCheck::record(double violation, const std::string& description) {
  ++checks_;
  if (std::isnan(violation)) {
    ++undefined_;
    notes_ += fmt::format("; not a number at {}", description);
    return;
  }
  if (violation > kClearlyWrong) ++violated_;
  if (violation <= worst_) return;
  worst_ = violation;
  worst_instance_ = description;
}

void ExactCheck::equal(double found, double claimed, const std::string& instance, double unit) {
  claimed *= 1.0 + distortion_;
  const double residual = std::max(excess(found, claimed, unit), excess(claimed, found, unit));
  record(residual, fmt::format("{}: computed {:.8g}, claimed {:.8g}", instance, found, claimed));
}

void ExactCheck::at_most(double found, double bound, const std::string& instance, double unit) {
  bound -= distortion_ * std::abs(bound);
  record(excess(found, bound, unit),
         fmt::format("{}: computed {:.8g}, claimed at most {:.8g}", instance, found, bound));
}

void ExactCheck::at_least(double found, double bound, const std::string& instance, double unit) {
  bound += distortion_ * std::abs(bound);
  record(excess(bound, found, unit),
         fmt::format("{}: computed {:.8g}, claimed at least {:.8g}", instance, found, bound));
}

void ExactCheck::note(const std::string& sentence) {
  notes_ += "; " + sentence;
}

Finding ExactCheck::finding(const std::string& what) const {
  if (checks_ == 0) return {Verdict::undecided, 0.0, fmt::format("{}: nothing was checked{}", what, notes_)};
  if (violated_ > 0)
    return {Verdict::refuted, 0.0,
            fmt::format("{}: {} of {} checks fail, worst {}{}", what, violated_, checks_, worst_instance_,
                        notes_)};
  const bool proven = undefined_ == 0 && worst_ <= rounding_;
  return {proven ? Verdict::proven : Verdict::undecided, 0.0,
          fmt::format("{}: {} checks, largest residual {:.2g} ({}){}", what, checks_, std::max(0.0, worst_),
                      worst_instance_, notes_)};
}

Finding judge_means(std::span<const MeanWithin> family, double margin, double alpha) {
  std::vector<double> within, outside;
  bool varies = false;
  for (const MeanWithin& mean : family) {
    const MeanTest test = test_mean(mean);
    within.push_back(test.p_within);
    outside.push_back(test.p_outside);
    varies = varies || !mean.exact;
  }
  if (family.empty()) return {Verdict::undecided, margin, "nothing was measured"};
  within = holm_adjusted(within);
  outside = holm_adjusted(outside);
  const auto worst =
      static_cast<std::size_t>(std::max_element(within.begin(), within.end()) - within.begin());
  const auto caught =
      static_cast<std::size_t>(std::min_element(outside.begin(), outside.end()) - outside.begin());
  const double each = alpha / static_cast<double>(family.size());  // Holm's first and strictest level
  const std::string size = varies ? fmt::format("{} means of {} replicates, Holm at {:g}; ", family.size(),
                                                family.front().errors.count(), alpha)
                                  : fmt::format("{} numbers that do not vary; ", family.size());
  if (outside[caught] <= alpha)
    return {Verdict::refuted, margin, size + "outside: " + describe(family[caught], each)};
  if (within[worst] <= alpha)
    return {varies ? Verdict::equivalent : Verdict::proven, margin,
            size + "closest to its margin: " + describe(family[worst], each)};
  const EquivalenceVerdict one = equivalence_test(family[worst].errors, family[worst].margin, each);
  return {Verdict::undecided, margin,
          fmt::format("{}undecided: {}; about {} replicates are needed", size, describe(family[worst], each),
                      std::max<std::int64_t>(one.replicates_needed, family[worst].errors.count()))};
}

namespace {

// A mean with its confidence sequence, and how far that is from being undecided: above 0 where it lies inside
// its margin, or all outside, as a share of the margin.
struct Look {
  const MeanWithin* mean = nullptr;
  Estimated now;
  double inside = 0.0, outside = 0.0;
};

Look look_at(const MeanWithin& mean, double alpha, double tuned_for) {
  const Estimated now = confidence_sequence(mean.errors, alpha, tuned_for);
  const double inside = mean.margin - std::max(now.high, -now.low);
  const double outside = std::max(now.low, -now.high) - mean.margin;
  // Below two numbers, and beyond doubles, there is no interval, which is neither.
  if (std::isnan(inside)) return {&mean, now, -1.0, -1.0};
  return {&mean, now, inside / mean.margin, outside / mean.margin};
}

std::string describe(const Look& look) {
  return fmt::format("{}: mean {:.4g} ± {:.2g}, interval [{:.4g}, {:.4g}], margin ±{:.4g}",
                     look.mean->instance, look.now.value, look.now.std_error, look.now.low, look.now.high,
                     look.mean->margin);
}

// An interval narrows about as 1/√t, and is decided when half of it is less than what is left to the margin.
double replicates_to_decide(const Look& look) {
  const double room = std::abs(look.mean->margin - std::abs(look.now.value));
  const auto count = static_cast<double>(look.mean->errors.count());
  return std::ceil(count * std::pow((look.now.high - look.now.low) / (2.0 * room), 2));
}

}  // namespace

Finding judge_means_at_a_look(std::span<const MeanWithin> family, double margin, double tuned_for,
                              double alpha) {
  if (std::none_of(family.begin(), family.end(), [](const MeanWithin& mean) { return !mean.exact; }))
    return judge_means(family, margin, alpha);
  std::vector<Look> looks;
  for (const MeanWithin& mean : family)
    looks.push_back(look_at(mean, alpha / static_cast<double>(family.size()), tuned_for));
  const Look& worst = *std::min_element(looks.begin(), looks.end(),
                                        [](const auto& a, const auto& b) { return a.inside < b.inside; });
  const Look& caught = *std::max_element(looks.begin(), looks.end(),
                                         [](const auto& a, const auto& b) { return a.outside < b.outside; });
  const std::string size = fmt::format("{} means of {} replicates, confidence sequences at {:g} together; ",
                                       family.size(), family.front().errors.count(), alpha);
  if (caught.outside > 0) return {Verdict::refuted, margin, size + "outside: " + describe(caught)};
  if (worst.inside > 0)
    return {Verdict::equivalent, margin, size + "closest to its margin: " + describe(worst)};
  return {Verdict::undecided, margin,
          fmt::format("{}undecided: {}; about {:.3g} replicates are needed", size, describe(worst),
                      replicates_to_decide(worst))};
}

double largest_probability(int hits, int trials, double alpha) {
  return boost::math::binomial::find_upper_bound_on_p(trials, hits, alpha);
}

}  // namespace attngap
