#include "experiments/merge_shards.hpp"

#include "estimators/error.hpp"
#include "experiments/block_queue.hpp"
#include "experiments/replicate_plan.hpp"

#include <algorithm>
#include <map>

namespace attngap {

ShardSet::ShardSet(const std::vector<std::filesystem::path>& directories) {
  std::string first_of;
  for (const auto& directory : directories) {
    RunStore store = RunStore::open_existing(directory);
    const ShardSpecification read = split_specification(store.specification());
    const std::string name = directory.string();
    require(read.is_shard, "{}: is a whole run and no part of one; give directories of run … --shard k/n",
            name);
    if (parts_.empty()) {
      specification_ = read.whole;
      first_of = name;
    }
    const std::string difference = specification_difference(specification_, read.whole);
    require(difference.empty(), "{}: is a part of another run than {} ({}); leave it out", name, first_of,
            difference);
    for (const Part& part : parts_) {
      require(part.shard.of == read.shard.of, "{}: is a part of {}, {} of {}; give the parts of one division",
              name, read.shard.of, part.directory.string(), part.shard.of);
      require(part.shard.part != read.shard.part, "{} and {}: both are part {}; give each part once",
              part.directory.string(), name, read.shard.text());
    }
    parts_.push_back({directory, std::move(store), read.shard});
  }
  require(!parts_.empty(), "which parts? give the directories of run … --shard k/n");
  std::sort(parts_.begin(), parts_.end(),
            [](const Part& a, const Part& b) { return a.shard.part < b.shard.part; });
  std::string missing;
  for (std::int64_t part = 1, next = 0; part <= parts_.front().shard.of; ++part) {
    const bool there =
        std::cmp_less(next, parts_.size()) && parts_[static_cast<std::size_t>(next)].shard.part == part;
    if (there) ++next;
    if (!there) missing += fmt::format("{}{}/{}", missing.empty() ? "" : ", ", part, parts_.front().shard.of);
  }
  require(missing.empty(), "parts are missing: {}; give all of them", missing);
}

std::int64_t ShardSet::replicates(const RunSpec& spec, const Part& part, std::int64_t cell) const {
  return spec.goal ? part.store.planned(cell).value_or(0) : spec.replicates;
}

void ShardSet::require_complete(const RunSpec& spec) const {
  for (const Part& part : parts_) {
    std::int64_t blocks = 0, missing = 0;
    std::string first;
    for (std::int64_t cell = 0; cell < spec.cells(); ++cell) {
      auto stored = part.store.finished_blocks(cell);
      const std::int64_t count = replicates(spec, part, cell);
      // Without a plan even the number of blocks is not known.
      const std::int64_t most = ReplicateBlocks(count > 0 ? count : spec.replicates).count();
      for (std::int64_t block = 0; block < most; ++block) {
        if (!owns_block(spec, part.shard, cell, block)) continue;
        ++blocks;
        if (stored.erase(block) == 1 && count > 0) continue;
        if (missing++ == 0) first = fmt::format("block {} of cell {}", block, cell);
      }
      require(stored.empty() || count == 0, "{}: holds blocks that are not of part {}; it is damaged",
              part.directory.string(), part.shard.text());
    }
    require(
        missing == 0,
        "{}: part {} is not complete, {} of {} blocks are missing (the first is {}); run it again to resume",
        part.directory.string(), part.shard.text(), missing, blocks, first);
  }
}

Cell::BlocksOfSeries ShardSet::blocks_of(const RunSpec& spec, std::int64_t cell) const {
  std::int64_t count = 0;
  for (const Part& part : parts_)
    if (!part.store.finished_blocks(cell).empty()) count = std::max(count, replicates(spec, part, cell));
  return {count, false, [this, cell](std::int64_t series) {
            std::map<std::int64_t, std::vector<double>> by_block;
            for (const Part& part : parts_) {
              auto blocks = part.store.series(cell, series);
              auto from = blocks.begin();
              for (const std::int64_t block : part.store.finished_blocks(cell))
                if (from != blocks.end()) by_block[block] = std::move(*from++);
            }
            std::vector<std::vector<double>> ordered;
            for (auto& [block, numbers] : by_block) ordered.push_back(std::move(numbers));
            return ordered;
          }};
}

double ShardSet::block_seconds(std::int64_t cell) const {
  double seconds = 0.0;
  for (const Part& part : parts_) seconds += part.store.block_seconds(cell);
  return seconds;
}

void merge_cells(const ShardSet& shards, const RunSpec& spec, const CellMaker& make, RunStore& store) {
  for (std::int64_t index = 0; index < spec.cells(); ++index) {
    if (store.cell_finished(index)) continue;
    const auto cell = make(index);
    const auto blocks = shards.blocks_of(spec, index);
    auto rows = cell->rows(blocks);
    if (spec.goal) mark_not_reached(*spec.goal, rows);
    store.finish_cell(index, rows,
                      {cell->name(), blocks.replicates, cell->exact_seconds(), shards.block_seconds(index)});
  }
  store.compact();
}

}  // namespace attngap
