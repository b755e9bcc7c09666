#include "experiments/mpi_world.hpp"

#include "estimators/error.hpp"

#ifdef ATTNGAP_WITH_MPI
#include <mpi.h>
#endif

namespace attngap {

#ifdef ATTNGAP_WITH_MPI

// An error in a call of MPI ends the job: that is MPI's default, and no process could go on without the
// others.
MpiWorld::MpiWorld() {
  int level = MPI_THREAD_SINGLE;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level);
  require(level >= MPI_THREAD_FUNNELED, "--mpi: this MPI allows no threads; use one built with them");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  MPI_Comm machine = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
  MPI_Comm_size(machine, &on_this_machine_);
  MPI_Comm_free(&machine);
}

MpiWorld::~MpiWorld() {
  MPI_Finalize();
}

void MpiWorld::send(int to, const std::vector<double>& numbers) {
  MPI_Send(numbers.data(), static_cast<int>(numbers.size()), MPI_DOUBLE, to, 0, MPI_COMM_WORLD);
}

std::optional<MpiWorld::Message> MpiWorld::poll() {
  int there = 0;
  MPI_Status status;
  MPI_Iprobe(MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &there, &status);
  if (there == 0) return std::nullopt;
  int count = 0;
  MPI_Get_count(&status, MPI_DOUBLE, &count);
  Message message{status.MPI_SOURCE, std::vector<double>(static_cast<std::size_t>(count))};
  MPI_Recv(message.numbers.data(), count, MPI_DOUBLE, message.from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  return message;
}

#else

MpiWorld::MpiWorld() {
  throw BadInput(
      "--mpi: this attngap was built without MPI; install libopenmpi-dev and openmpi-bin and build it again "
      "with cmake --preset mpi, or use --shard");
}

MpiWorld::~MpiWorld() = default;
void MpiWorld::send(int, const std::vector<double>&) {}
std::optional<MpiWorld::Message> MpiWorld::poll() {
  return std::nullopt;
}

#endif

}  // namespace attngap
