#include "estimators/key_value_cache.hpp"

#include "estimators/error.hpp"

namespace attngap {

KeyValueCache::KeyValueCache(Index tokens, Index head_dim, Index value_dim)
    : keys_(tokens, head_dim), values_(tokens, value_dim) {}

void KeyValueCache::push(const Eigen::Ref<const Eigen::RowVectorXd>& key,
                         const Eigen::Ref<const Eigen::RowVectorXd>& value) {
  require(tokens_ < keys_.rows(), "push: the cache has room for {} tokens", keys_.rows());
  require(key.size() == keys_.cols() && value.size() == values_.cols(),
          "push: a key of {} and a value of {} entries, the cache keeps {} and {}", key.size(), value.size(),
          keys_.cols(), values_.cols());
  keys_.row(tokens_) = key;
  values_.row(tokens_) = value;
  ++tokens_;
}

Eigen::RowVectorXd KeyValueCache::read(const Eigen::Ref<const Eigen::RowVectorXd>& query) const {
  require(tokens_ > 0, "read: no key has been pushed yet");
  Eigen::RowVectorXd weights = query * keys_.topRows(tokens_).transpose();
  weights = (weights.array() - weights.maxCoeff()).exp();
  return weights * values_.topRows(tokens_) / weights.sum();
}

}  // namespace attngap
