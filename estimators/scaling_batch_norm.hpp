#pragma once

#include "estimators/attention_problem.hpp"

#include <string_view>

namespace attngap {

/// What ppSBN (Guo et al. 2024) does to queries and keys before the attention; it belongs to the target.
enum class PreScaling {
  none,
  paper,  ///< batch normalisation over tokens, feature by feature, then division by the largest |row|: unit
          ///< ball
  code  ///< released code: (x − x̄)/|x − x̄| with the mean over the features of one token: unit sphere
};

/// none, paper or code; throws BadInput otherwise.
PreScaling pre_scaling_named(std::string_view name);

/// Q and K each scaled that way; V, scale and mask stay. A feature (paper) or token (code) without any spread
/// becomes zero; the released code adds 10⁻¹² to the variance instead. `paper` uses statistics of all given
/// tokens, so under a causal mask it looks ahead, and of sampled queries it normalises those that are there.
AttentionProblem pre_scaled(const AttentionProblem& problem, PreScaling scaling);

/// The scaling of a problem, held or streamed, for any part of it.
class PreScaler {
 public:
  /// `paper` goes through all keys twice: for the moments of the channels, merged piece by piece (Chan, Golub
  /// and LeVeque 1983), and for the largest row.
  PreScaler(const AttentionProblem& whole, PreScaling scaling);

  /// Some of the queries and some held keys, each as it is in the whole.
  AttentionProblem operator()(AttentionProblem part) const;

 private:
  // What `paper` takes from the rows of one side; a channel or a batch without spread is not divided.
  struct Batch {
    Eigen::RowVectorXd mean, spread;
    double largest = 0.0;
    void normalise_channels(Matrix& rows) const;
    void normalise(Matrix& rows) const;
  };
  template <typename ForEachPiece>
  static Batch batch_of(const ForEachPiece& for_each);

  PreScaling scaling_;
  Batch queries_, keys_;
};

}  // namespace attngap
