#pragma once

#include "estimators/proposals.hpp"
#include "estimators/token_windows.hpp"

#include <vector>

namespace attngap {

/// The mass a group of keys has for a query, Σ_{m∈P} exp(q·k_m), or what stands for it. k̄ and Σ are mean and
/// covariance of the group's keys.
///
///   exact       the sum itself
///   count_mean  |P| exp(q·k̄), not more than the sum (Jensen)
///   mean        exp(q·k̄): the released code, without ln |P|
///   cumulant    |P| exp(q·k̄ + q'Σq/2), the second cumulant
enum class GroupMass { exact, count_mean, mean, cumulant };

/// What the layout of EVA depends on.
struct EvaShape {
  WindowShape window = {};
  ProposalMean proposal = ProposalMean::sum;
  GroupMass mass = GroupMass::exact;
  bool cover_all = false;  ///< chunks keep the tokens the window has already: the released double count
};

/// A group of keys with one random coefficient β̂, and its proposal.
struct EvaGroup {
  std::vector<Segment> tokens;
  Index chunk = 0;  ///< which chunk it is the rest of; groups of one chunk share their noise
  Vector key_mean;  ///< k̄, d
  Vector mean;      ///< μ, d
};

/// A window's part of the answer that does not depend on the draw: EVA = exact + mass β̂, rows as in
/// window.queries.
struct EvaWindow {
  Window window;
  std::vector<Index> groups;  ///< places in EvaLayout::groups
  Matrix exact;               ///< n_w×p: Σ_{m∈E} exp(q·k_m) v_m / D
  Matrix mass;                ///< n_w×C_w: mass of each group / D
  Vector log_total;           ///< n_w: ln D, D = Σ_{m∈E} exp(q·k_m) + Σ_c mass_c
};

/// EVA's sets for one problem. The tokens are cut into C contiguous chunks (equal_segments; at most one a
/// token); a window's group P_c is what is left of chunk c outside its exact set E, and under a causal mask
/// what lies before the window: E and the groups partition the keys of every query. Groups that are whole
/// chunks are the same for all windows and are drawn once.
struct EvaLayout {
  EvaLayout(const AttentionProblem& problem, const PreparedRows<double>& rows, const EvaShape& shape,
            Index chunk_count);

  std::vector<EvaGroup> groups;
  std::vector<EvaWindow> windows;
};

}  // namespace attngap
