// The replicate loop takes no memory: once a worker is warm, a block of many replicates asks the allocator as
// often as a block of few.

#include "estimators/estimator_table.hpp"
#include "experiments/gap_cell.hpp"
#include "tests/house_problem.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>

#include <gtest/gtest.h>

// Every call of the allocator is counted: operator new and Eigen's aligned memory both come to malloc. Under
// a sanitizer malloc is its own, and tells.
namespace {
std::atomic<long> requests{0};
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ATTNGAP_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ATTNGAP_SANITIZED
#endif

#if defined(ATTNGAP_SANITIZED)
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, std::size_t),
                                                         void (*)(const volatile void*));
namespace {
const int hooked = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { ++requests; }, [](const volatile void*) {});
}
#else
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t size) noexcept {
  ++requests;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  ++requests;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) noexcept {
  ++requests;
  return __libc_realloc(memory, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  ++requests;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) noexcept {
  ++requests;
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
}
#endif

namespace attngap {
namespace {

constexpr std::int64_t kFew = 2, kMany = 9;

// Requests of a warm worker's block of so many replicates.
long requests_of(CellWorker& worker, std::int64_t replicates) {
  const RunControl control;
  const DrawWatch watch(control);
  const long before = requests.load();
  const auto block = worker.draw_block({1, 0, 100, replicates}, watch);
  return requests.load() - before;
}

struct Case {
  const char* estimator;
  Mask mask = Mask::none;
  Precision precision = Precision::float64;
};

class ReplicateLoop : public ::testing::TestWithParam<Case> {};

TEST_P(ReplicateLoop, TakesNoMemoryOnceItIsWarm) {
  const Case& given = GetParam();
  RunSpec spec;
  spec.features = {5, 70, 141};  // panels of several widths, more than one of them
  spec.precision = given.precision;
  Estimators estimators;
  estimators.push_back(make_estimator(given.estimator));
  const auto cell =
      stored_gap_cell(spec, estimators, "head", testing_tools::house_problem(3, {}, given.mask));
  const auto worker = cell->worker();
  requests_of(*worker, kMany);
  EXPECT_EQ(requests_of(*worker, kMany), requests_of(*worker, kFew)) << given.estimator;
}

INSTANTIATE_TEST_SUITE_P(
    Estimators, ReplicateLoop,
    ::testing::Values(Case{"performer"}, Case{"performer", Mask::causal},
                      Case{"performer", Mask::none, Precision::float32},
                      Case{"performer:projection=orthogonal"},
                      Case{"performer:projection=orthogonal", Mask::none, Precision::float32},
                      Case{"performer:features=hyperbolic"}, Case{"rfa"}, Case{"rfa", Mask::causal},
                      Case{"rfa", Mask::none, Precision::float32}, Case{"rfa:kernel=arccos"}, Case{"rmfa"},
                      Case{"rmfa", Mask::causal}, Case{"rmfa", Mask::none, Precision::float32},
                      Case{"rmfa:directions=gaussian"}));

// The counter itself: one vector more a replicate must show.
TEST(ReplicateLoopControl, SeesOneVectorAReplicate) {
  class Spending final : public ReplicateWorker {
    void start_block() override {}
    void draw(const StreamAddress&) override { last_ = std::make_unique<double>(1.0); }
    std::vector<std::vector<double>> block() const override { return {}; }
    std::unique_ptr<double> last_;
  };
  Spending worker;
  requests_of(worker, kMany);
  EXPECT_EQ(requests_of(worker, kMany) - requests_of(worker, kFew), kMany - kFew);
}

}  // namespace
}  // namespace attngap
