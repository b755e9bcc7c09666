#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/kernel_attention.hpp"
#include "estimators/key_stream.hpp"
#include "estimators/maclaurin.hpp"
#include "estimators/maclaurin_data.hpp"
#include "estimators/names.hpp"
#include "estimators/ratio_estimator.hpp"
#include "estimators/scaling_batch_norm.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace attngap {
namespace {

// Random Maclaurin features as a feature map: the source has already formed the products. Without a law,
// which may depend on the data, it has a shape but no moments.
class MaclaurinMap final : public FeatureMap {
 public:
  MaclaurinMap() = default;
  explicit MaclaurinMap(RandomMaclaurin law, Index draws = 0) : law_(std::move(law)), draws_(draws) {}

  std::string_view name() const override { return "maclaurin"; }
  Index per_direction() const override { return 1; }
  double norm_exponent() const override { return 0.0; }
  bool in_log_domain() const override { return false; }
  bool can_vanish() const override { return true; }  // signs may cancel, and a degree may have no weight
  void activate(const Eigen::Ref<const RowMatrix<double>>& products,
                Eigen::Ref<RowMatrix<double>> features) const override {
    if (features.data() != products.data()) features = products;
  }
  void activate(const Eigen::Ref<const RowMatrix<float>>& products,
                Eigen::Ref<RowMatrix<float>> features) const override {
    if (features.data() != products.data()) features = products;
  }
  double kernel(const Vector& x, const Vector& y) const override { return law().mean(x.dot(y)); }
  double pair_moment(const Vector& q, const Vector& k1, const Vector& k2) const override {
    if (!law().allocation() || draws_ == 0) return law().pair_moment(q, k1, k2);
    return kernel(q, k1) * kernel(q, k2) + static_cast<double>(draws_) * law().covariance(q, k1, k2, draws_);
  }
  bool has_variance(const Vector& q, const Vector& k) const override {
    return law().has_variance(maclaurin_pair_base(law().options().direction, q, k, k));
  }
  Matrix pair_moments(const Vector& q, const Matrix& keys, Index first, Index rows) const override {
    const auto moments = law().pair_moments(q, keys, first, rows, draws_);
    return moments ? *moments : FeatureMap::pair_moments(q, keys, first, rows);
  }
  Matrix pair_covariances(const Vector& q, const Matrix& keys, Index first, Index rows) const override {
    const auto covariances = law().pair_covariances(q, keys, first, rows, draws_);
    return covariances ? *covariances : one_by_one(q, keys, first, rows);
  }
  double variance(const Vector& x, const Vector& y, Index draws) const override {
    return law().variance(x, y, draws);
  }
  double kurtosis(const Vector& x, const Vector& y) const override {
    return law().allocation() ? FeatureMap::kurtosis(x, y) : law().kurtosis(x, y, 1);
  }
  double orthogonal_pair_moment(const Vector& x, const Vector& y) const override {
    return kernel(x, y) * kernel(x, y);  // features are independent whatever the projection
  }

 private:
  Matrix one_by_one(const Vector& q, const Matrix& keys, Index first, Index rows) const {
    if (law().allocation() && draws_ == 0) return FeatureMap::pair_covariances(q, keys, first, rows);
    const Index draws = std::max<Index>(draws_, 1);
    Matrix covariances(rows, first + rows);
    for (Index m = 0; m < rows; ++m)
      for (Index other = 0; other < first + rows; ++other)
        covariances(m, other) =
            static_cast<double>(draws) * law().covariance(q, keys.row(first + m), keys.row(other), draws);
    return covariances;
  }
  const RandomMaclaurin& law() const {
    if (!law_) throw std::logic_error("the law of the degrees depends on the data: use map_on(problem)");
    return *law_;
  }

  std::optional<RandomMaclaurin> law_;
  Index draws_ = 0;  // whose shares an allocation has; 0: in the limit
};

// B, or one number a channel: B1/B2/….
Vector parse_betas(std::string_view text) {
  std::vector<double> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    numbers.push_back(parse_number("rmfa: beta", text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return Eigen::Map<const Vector>(numbers.data(), static_cast<Index>(numbers.size()));
}

// Random Maclaurin feature attention with ppSBN (Guo et al. 2024, Macformer).
class MaclaurinRatio final : public RatioEstimator {
 public:
  explicit MaclaurinRatio(const Spec& spec)
      : RatioEstimator(spec),
        kernel_(maclaurin_kernel_named(option(spec, "kernel"))),
        degrees_(option(spec, "degrees")),
        force_(option(spec, "force") == "on"),
        pre_(pre_scaling_named(option(spec, "ppsbn"))) {
    options_.direction = option(spec, "directions") == "gaussian" ? MaclaurinDirection::gaussian
                                                                  : MaclaurinDirection::rademacher;
    const std::string_view known = option(spec, "known");
    options_.known = known == "linear" ? 2 : known == "constant" ? 1 : 0;
    if (const auto text = option(spec, "max-degree"); text != "none")
      options_.max_degree = static_cast<int>(parse_count("rmfa: max-degree", text, options_.known));
    require(!options_.max_degree || *options_.max_degree < kMaxDegree,
            "rmfa: max-degree = {}, must be below {}", options_.max_degree.value_or(0), kMaxDegree);
    require(!options_.max_degree || maclaurin_sum(kernel_, *options_.max_degree, 1.0) > 0.0,
            "rmfa: max-degree = {}, must be at least {}: kernel={} has no term of a lower degree",
            options_.max_degree.value_or(0), kernel_.degree.value_or(0), kernel_.name);
    read_degrees();
    read_post_scaling();
    require(!center_keys() || is_exponential(kernel_),
            "rmfa: center=keys changes what kernel={} converges to; only exp does not see it", kernel_.name);
    if (!depends_on_data()) map_ = MaclaurinMap(law_of({}));
  }

  const FeatureMap& map() const override { return map_; }
  std::shared_ptr<const FeatureMap> map_on(const AttentionProblem& problem) const override {
    return std::make_shared<MaclaurinMap>(law_on(problem));
  }
  std::shared_ptr<const FeatureMap> map_at(const AttentionProblem& problem, Index draws) const override {
    return std::make_shared<MaclaurinMap>(law_on(problem), draws);
  }
  bool nested() const override { return degrees_ != "fixed"; }

  // The denominator is zero with positive probability.
  bool has_moments() const override { return denominator().bounds_away_from_zero(); }
  PostScaling post_scaling() const override { return post_; }
  bool transforms() const override { return pre_ != PreScaling::none; }
  AttentionProblem transformed(const AttentionProblem& problem) const override {
    return scaler_ ? (*scaler_)(problem) : pre_scaled(problem, pre_);
  }

  void check(const AttentionProblem& problem) const override {
    require(post_.beta.size() == 1 || post_.beta.size() == problem.value_dim(),
            "rmfa: beta has {} numbers, the values have {} channels; give one number, or one a channel",
            post_.beta.size(), problem.value_dim());
    require_variance(problem, force_);
    if (kernel_.degree && problem.stream == nullptr) require_normalizers(problem);
  }

  bool terms_have_variance(const AttentionProblem& problem) const override {
    if (!force_) return true;  // or `check` has refused
    try {
      require_variance(problem, false);
      return true;
    } catch (const BadInput&) {
      return false;
    }
  }

  std::string target_name() const override {
    const bool softmax = is_exponential(kernel_);
    std::string name = softmax ? "softmax" : fmt::format("kernelised attention ({})", kernel_.name);
    if (pre_ == PreScaling::none) return name;
    name += fmt::format(" of ppSBN inputs ({})", option(spec(), "ppsbn"));
    return post_.is_identity()
               ? name
               : name + fmt::format(", gamma={}, beta={}", post_.gamma, option(spec(), "beta"));
  }

  AttentionEstimate target_sums(const AttentionProblem& part) const override {
    const AttentionProblem seen = transformed(part);
    if (is_exponential(kernel_)) return exact_sums(seen);
    return kernel_sums(seen, [this](double z, double, double) { return kernel_.value(z); });
  }

  std::unique_ptr<SamplerPlan> plan(const AttentionProblem& problem,
                                    std::span<const AttentionEstimator* const> group,
                                    const std::vector<Index>& counts, Precision precision) const override {
    // The smallest count of a fixed allocation must hold every degree: better said here than by a thread.
    if (!nested() && !counts.empty()) law_on(problem).weights(counts.front());
    return RatioEstimator::plan(problem, group, counts, precision);
  }

  // Outside the radius the series diverges, and what f is there is no kernel; nor is it one where z is the
  // radius but for rounding.
  double target_kernel(const Vector& x, const Vector& y) const override {
    constexpr double kWithin = 1.0 - 8.0 * std::numeric_limits<double>::epsilon();
    const double z = x.dot(y);
    return std::abs(z) < kWithin * kernel_.radius ? kernel_.value(z)
                                                  : std::numeric_limits<double>::quiet_NaN();
  }

  KernelMoments kernel_moments(const AttentionProblem& problem, Index draws) const override {
    const AttentionProblem seen = prepared(problem);
    const Vector x = seen.scaled_queries().row(0), y = seen.scaled_keys().row(0);
    const double z = x.dot(y);
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    const double target = target_kernel(x, y);
    if (std::isnan(target)) return {kNone, kNone, kNone};
    const RandomMaclaurin law = law_on(problem);
    return {target, law.mean(z), law.variance(x, y, draws), law.kurtosis(x, y, draws)};
  }

  Index panel_width() const override { return 512; }
  std::unique_ptr<DirectionSource<double>> directions(double, const AttentionProblem& problem,
                                                      const std::vector<Index>& counts) const override {
    return law_on(problem).directions<double>(problem.head_dim(), counts, panel_width());
  }
  std::unique_ptr<DirectionSource<float>> directions(float, const AttentionProblem& problem,
                                                     const std::vector<Index>& counts) const override {
    return law_on(problem).directions<float>(problem.head_dim(), counts, panel_width());
  }

 protected:
  std::unique_ptr<RatioEstimator> copy() const override { return std::make_unique<MaclaurinRatio>(*this); }
  bool takes_all_keys() const override {
    return RatioEstimator::takes_all_keys() || pre_ == PreScaling::paper || depends_on_data();
  }
  void fit(const AttentionProblem& whole) override {
    scaler_.emplace(whole, pre_);
    RatioEstimator::fit(whole);
    law_ = depends_on_data() ? law_of(pairs_of(whole)) : law_of({});
  }

 private:
  void read_degrees() {
    constexpr std::array<std::string_view, 4> kNames{"geometric", "poisson", "optimal", "fixed"};
    require_known("value of rmfa: degrees =", degrees_, kNames);
    p_ = parse_number("rmfa: p", option(spec(), "p"));
    require(p_ == 2.0 || degrees_ == "geometric", "rmfa: p belongs to degrees=geometric, not to degrees={}",
            degrees_);
    const std::string_view lambda = option(spec(), "lambda");
    require(lambda == "data" || degrees_ == "poisson",
            "rmfa: lambda belongs to degrees=poisson, not to degrees={}", degrees_);
    if (lambda != "data") lambda_ = parse_number("rmfa: lambda", lambda);
    require(degrees_ != "fixed" || options_.max_degree,
            "rmfa: degrees=fixed needs max-degree=T: every degree up to T has features of its own");
  }

  // A polynomial can vanish at every key of a query, and grow beyond a double.
  void require_normalizers(const AttentionProblem& problem) const {
    AttentionProblem seen = prepared(problem);
    seen.V = Matrix::Zero(seen.keys(), 1);
    const Vector sums =
        kernel_sums(seen, [this](double z, double, double) { return kernel_.value(z); }).denominator;
    for (Index i = 0; i < sums.size(); ++i)
      require(std::isfinite(sums(i)) && sums(i) > 0.0,
              "rmfa: query {}: the kernel {} = {} sums to {} over its keys, and attention divides by that; "
              "leave the query out or choose another kernel",
              i, kernel_.name, kernel_.formula, sums(i));
  }

  void read_post_scaling() {
    post_.gamma = parse_number("rmfa: gamma", option(spec(), "gamma"));
    post_.beta = parse_betas(option(spec(), "beta"));
    require(post_.is_identity() || pre_ != PreScaling::none,
            "rmfa: gamma and beta are parameters of ppSBN; add ppsbn=paper or ppsbn=code");
    require((post_.beta.array() > 0.0).all(), "rmfa: beta = {}, must be positive", option(spec(), "beta"));
  }

  bool depends_on_data() const {
    return degrees_ == "optimal" || degrees_ == "fixed" || (degrees_ == "poisson" && !lambda_);
  }

  // The pairs are looked at only by those laws that depend on them.
  RandomMaclaurin law_of(const PairSample& pairs) const {
    if (degrees_ == "poisson")
      return {kernel_, poisson_degrees(lambda_ ? *lambda_ : best_lambda(pairs)), options_};
    if (degrees_ == "optimal") return {kernel_, optimal_degrees(kernel_, pairs, options_), options_};
    if (degrees_ == "fixed") return {kernel_, neyman_allocation(kernel_, pairs, options_), options_};
    return {kernel_, geometric_degrees(p_), options_};
  }
  RandomMaclaurin law_on(const AttentionProblem& problem) const {
    if (law_) return *law_;
    if (!depends_on_data()) return law_of({});
    MaclaurinRatio fitted(*this);
    fitted.fit(problem);
    return *fitted.law_;
  }

  // Of an estimator whose scaling and centre are fitted to the problem.
  PairSample pairs_of(const AttentionProblem& problem) const {
    return sample_pairs(prepared(at_keys(problem, sampled_keys(problem.keys()))), options_.direction);
  }

  // That there is a law, and `require_moments`, on a problem, held or streamed.
  void require_variance(const AttentionProblem& problem, bool force) const {
    const bool everywhere = std::isinf(kernel_.radius);
    if (everywhere && !depends_on_data()) return;
    MaclaurinRatio fitted(*this);
    if (!law_) fitted.fit(problem);
    if (everywhere) return;
    PairExtremes found(options_.direction);
    if (problem.stream == nullptr) {
      found.look_at(fitted.prepared(problem));
    } else {
      for_each_segment(problem, [&](const SegmentProblem& segment) {
        found.look_at(fitted.prepared(segment.problem), segment.first, segment.tokens.begin);
        return true;
      });
    }
    require_moments(*fitted.law_, found, "rmfa", force);
  }

  const MaclaurinKernel& kernel_;
  MaclaurinOptions options_;
  std::string degrees_;
  double p_ = 2.0;
  std::optional<double> lambda_;
  bool force_;
  PreScaling pre_;
  PostScaling post_;
  MaclaurinMap map_;
  std::optional<PreScaler> scaler_;     // of what it is fitted to
  std::optional<RandomMaclaurin> law_;  // of what it is fitted to
};

}  // namespace

std::unique_ptr<AttentionEstimator> make_rmfa(const Spec& spec) {
  return std::make_unique<MaclaurinRatio>(spec);
}

}  // namespace attngap
