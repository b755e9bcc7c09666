#pragma once

#include "plots/gap_figure.hpp"

#include <string>
#include <vector>

namespace attngap {

/// One query's estimate as a sum of control variates over keys, as `attngap decompose` prints it.
struct KeyTerms {
  std::string name;                        ///< of the files, after decomposition_
  std::string title;                       ///< which head, query, estimator, m and coefficient
  std::string sums;                        ///< what the terms add up to, in words
  std::vector<double> pi;                  ///< l
  std::vector<double> h;                   ///< l
  std::vector<double> share;               ///< l: of the error, along the whole error
  std::vector<std::vector<double>> term;   ///< l×p: their sum over keys is the estimate
  std::vector<std::vector<double>> error;  ///< l×p: their sum over keys is estimate − exact
};

/// The figure `decomposition_NAME`: heat maps of the terms and of the errors over keys and channels, then h
/// and its expectation π, and each key's share of the error. Above 256 keys, neighbours are added up, which
/// leaves all sums as they are; the title of the x axis says how many. The colours end at the 99.5 %
/// quantile of the absolute values.
NamedFigure decomposition_figure(const KeyTerms& terms);

}  // namespace attngap
