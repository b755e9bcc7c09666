#pragma once

#include "experiments/block_queue.hpp"
#include "experiments/mpi_world.hpp"

#include <functional>
#include <string>
#include <vector>

namespace attngap {

/// A run on the processes of `mpirun -n N attngap run … --mpi`.
///
/// Rank 0 owns the store, draws, and hands blocks to the others, which ask for them as they finish: each
/// makes the cells it needs itself, so that only tasks, statistics and words travel. All must be given the
/// same command line. Ranks that wait do not use the processor.
///
/// When rank 0 comes to an end, in whatever way, it tells the others, and they end with exit code 0: mpirun
/// passes on the first code that is not 0 and kills who is left, and rank 0 must have its say.
class MpiTeam {
 public:
  MpiTeam() : wants_(static_cast<std::size_t>(world_.size()), 0) {}
  ~MpiTeam();

  bool owns_store() const { return world_.rank() == 0; }
  int size() const { return world_.size(); }
  int on_this_machine() const { return world_.on_this_machine(); }

  /// Rank 0: waits until every other rank is ready for the run of this specification. Throws BadInput with
  /// what the first of them has to say otherwise.
  void require_ready(const std::string& specification);

  /// Rank 0: RunControl::serve.
  void serve(BlockQueue& queue);

  /// What another rank needs: what it was told to run, and how to make a cell of it.
  struct Job {
    std::string specification;
    std::uint64_t seed = 0;
    CellMaker make;
  };

  /// Another rank: prepares its job, draws until rank 0 ends the run, and returns the exit code.
  int work(const std::function<Job()>& prepare, const RunControl& control);

 private:
  void draw(const Job& job, const RunControl& control);
  void receive(BlockQueue& queue, const MpiWorld::Message& message);
  void wait_for_end();
  void end();

  MpiWorld world_;
  std::vector<std::int64_t> wants_;  // blocks each rank has threads for
  bool stopped_ = false;             // a rank was asked to stop before all were ready
};

}  // namespace attngap
