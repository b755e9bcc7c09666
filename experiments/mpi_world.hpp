#pragma once

#include <memory>
#include <optional>
#include <vector>

namespace attngap {

/// The processes that `mpirun` started, and messages of doubles between them: all that attngap knows of MPI.
///
/// MPI is initialised at MPI_THREAD_FUNNELED: only the thread that made this object may use it. Nothing here
/// waits busily but the sending of a long message, until it is being received.
class MpiWorld {
 public:
  /// What a rank sent.
  struct Message {
    int from = 0;
    std::vector<double> numbers;
  };

  /// Throws BadInput when this attngap was built without MPI, or MPI cannot be initialised.
  MpiWorld();
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  /// Waits for all processes to come to their end.
  ~MpiWorld();

  int rank() const { return rank_; }
  int size() const { return size_; }

  /// How many of the processes share this machine.
  int on_this_machine() const { return on_this_machine_; }

  /// Messages between two processes keep their order.
  void send(int to, const std::vector<double>& numbers);

  /// A message that has come in, if any.
  std::optional<Message> poll();

 private:
  int rank_ = 0;
  int size_ = 1;
  int on_this_machine_ = 1;
};

}  // namespace attngap
