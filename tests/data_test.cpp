#include "data_test_support.hpp"
#include "experiments/data_source.hpp"
#include "experiments/describe_data.hpp"
#include "experiments/npz.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using ::testing::AllOf;
using testing::bad_input;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::run_numpy;
using testing::TemporaryDirectory;
using testing::write_text;

using Arrays = std::map<std::string, NumberArray>;

// Entry i is i + first: every slice differs from every other.
NumberArray counting(std::vector<std::size_t> shape, double first) {
  NumberArray array{std::move(shape), {}};
  std::size_t count = 1;
  for (const std::size_t extent : array.shape) count *= extent;
  for (std::size_t i = 0; i < count; ++i) array.values.push_back(first + static_cast<double>(i));
  return array;
}

Arrays head_arrays() {
  return {{"q", counting({3, 5}, 0)}, {"k", counting({7, 5}, 100)}, {"v", counting({7, 2}, 200)}};
}

class Data : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const Arrays& arrays) const {
    write_npz(directory_ / name, arrays);
    return directory_ / name;
  }
  std::string refusal(const std::string& argument) const {
    return bad_input([&] { static_cast<void>(load_dataset(argument)); });
  }
  std::string refusal(const Arrays& arrays) const { return refusal(write("bad.npz", arrays)); }

  TemporaryDirectory directory_;
};

TEST_F(Data, AFileGivesItsArraysItsNameAndItsSource) {
  const std::string path = write("some head.npz", head_arrays());
  const Dataset dataset = load_dataset(path + ":scale=0.25");
  EXPECT_EQ(dataset.name, "some head");
  EXPECT_EQ(dataset.source, path + ":scale=0.25");
  EXPECT_EQ(dataset.problem.scale, 0.25);
  EXPECT_EQ(dataset.problem.mask, Mask::none);
  ASSERT_EQ(dataset.problem.queries(), 3);
  ASSERT_EQ(dataset.problem.keys(), 7);
  EXPECT_EQ(dataset.problem.Q(1, 2), 7.0);
  EXPECT_EQ(dataset.problem.K(1, 2), 107.0);
  EXPECT_EQ(dataset.problem.V(6, 1), 213.0);
  EXPECT_DOUBLE_EQ(load_dataset(path).problem.scale, 1 / std::sqrt(5.0));
}

TEST_F(Data, OptionsChooseMaskArraysAndName) {
  const std::string path =
      write("a.npz", {{"Q0", counting({7, 5}, 0)}, {"k", counting({7, 5}, 1)}, {"vv", counting({7, 2}, 2)}});
  const Dataset dataset = load_dataset(path + ":mask=causal,q=Q0,v=vv,name=mine");
  EXPECT_EQ(dataset.name, "mine");
  EXPECT_EQ(dataset.problem.mask, Mask::causal);
  EXPECT_EQ(dataset.problem.V(0, 0), 2.0);
}

TEST_F(Data, PathsMayHoldColonsCommasAndEqualsSigns) {
  const std::string path = write("run:lr=1,seed=2.npz", head_arrays());
  EXPECT_EQ(load_dataset(path).name, "run:lr=1,seed=2");
  EXPECT_EQ(load_dataset(path + ":name=x").name, "x");
  write("run", head_arrays());
  EXPECT_EQ(load_dataset(path).problem.queries(), 3) << "the longest file wins";
}

TEST_F(Data, HeadsAreChosenFromLeadingAxes) {
  const auto stack = [&](const std::vector<std::size_t>& leading) {
    Arrays arrays;
    for (auto [name, array] : head_arrays()) {
      std::vector<std::size_t> shape = leading;
      shape.insert(shape.end(), array.shape.begin(), array.shape.end());
      arrays[name] = counting(shape, array.values[0]);
    }
    return arrays;
  };
  const std::string three = write("three.npz", stack({4}));
  const std::string four = write("four.npz", stack({2, 4}));
  const std::string batch = write("batch.npz", stack({1, 4}));
  const std::string single = write("single.npz", stack({1, 1}));
  EXPECT_EQ(load_dataset(three + ":head=2").problem.Q(0, 0), 2 * 15.0);
  EXPECT_EQ(load_dataset(three + ":head=2").problem.V(0, 0), 200 + 2 * 14.0);
  EXPECT_EQ(load_dataset(three + ":head=2").name, "three_h2");
  EXPECT_EQ(load_dataset(four + ":head=1/3").problem.K(0, 1), 100 + 7 * 35 + 1.0);
  EXPECT_EQ(load_dataset(four + ":head=1/3").name, "four_h1-3");
  EXPECT_EQ(load_dataset(batch + ":head=3").problem.Q, load_dataset(batch + ":head=0/3").problem.Q);
  EXPECT_EQ(load_dataset(single).name, "single");

  EXPECT_THAT(refusal(three), AllOf(HasSubstr("of shape (4, "), HasSubstr("head="), HasSubstr("0 to 3")));
  EXPECT_THAT(refusal(four), HasSubstr("0/0 to 1/3"));
  EXPECT_THAT(refusal(three + ":head=4"), AllOf(HasSubstr("no head 4"), HasSubstr("0 to 3")));
  EXPECT_THAT(refusal(four + ":head=1"), AllOf(HasSubstr("2 leading axes"), HasSubstr("0/0 to 1/3")));
  EXPECT_THAT(refusal(three + ":head=-1"), HasSubstr("head = \"-1\""));
  EXPECT_THAT(refusal(three + ":head=all"), HasSubstr("head = \"all\""));
  EXPECT_THAT(refusal(write("two.npz", head_arrays()) + ":head=0"), HasSubstr("leave head= out"));
}

TEST_F(Data, TheHashDependsOnTheNumbersAloneAndIsFnv1a) {
  Arrays small{{"q", {{1, 2}, {1, -2}}}, {"k", {{3, 2}, {1, 2, 3, 4, 5, 6}}}, {"v", {{3, 1}, {.5, .25, 2}}}};
  const std::string path = write("small.npz", small);
  const auto printed = run_numpy(directory_, R"(
import struct, json
z = np.load('small.npz')
h = 0xcbf29ce484222325
for name in 'qkv':
    for byte in struct.pack('<2Q', *z[name].shape) + z[name].astype('<f8').tobytes():
        h = (h ^ byte) * 0x100000001b3 % 2**64
print(f'fnv1a64:{h:016x}', end='')
np.savez_compressed('half.npz', **{n: np.asfortranarray(z[n].astype('f2')) for n in z})
header, data = {}, b''
for n in z:
    image = z[n].astype('<f4').tobytes()
    header[n] = dict(dtype='F32', shape=z[n].shape, data_offsets=[len(data), len(data) + len(image)])
    data += image
text = json.dumps(header).encode()
open('small.safetensors', 'wb').write(struct.pack('<Q', len(text)) + text + data)
)");
  ASSERT_TRUE(printed.done) << printed.text;
  EXPECT_EQ(load_dataset(path).content_hash, printed.text);
  EXPECT_EQ(load_dataset(directory_ / "half.npz").content_hash, printed.text);
  EXPECT_EQ(load_dataset(directory_ / "small.safetensors").content_hash, printed.text);
  small["v"].values[2] = 2.5;
  EXPECT_NE(load_dataset(write("other.npz", small)).content_hash, printed.text);
}

TEST_F(Data, FilesThatCannotBeUsedAreNamed) {
  EXPECT_THAT(refusal(std::string()), HasSubstr("--data is empty"));
  EXPECT_THAT(refusal(directory_ / "absent.npz:mask=causal"),
              AllOf(HasSubstr("absent.npz\""), HasSubstr("no such file")));
  EXPECT_THAT(refusal(directory_.path().string()), HasSubstr("is a directory"));
  write_text(directory_ / "empty.npz", "");
  EXPECT_THAT(refusal(directory_ / "empty.npz"), HasSubstr("is empty"));
  write_text(directory_ / "text.npz", "text");
  EXPECT_THAT(refusal(directory_ / "text.npz"), HasSubstr("not a .npz archive"));
  write_text(directory_ / "text.csv", "1,2,3");
  EXPECT_THAT(refusal(directory_ / "text.csv"), HasSubstr("neither .npz nor .safetensors"));
  write_text(directory_ / "plain.npy", "\x93NUMPY...");
  EXPECT_THAT(refusal(directory_ / "plain.npy"), HasSubstr("numpy.savez"));
}

TEST_F(Data, OptionsThatCannotBeUsedAreNamed) {
  const std::string path = write("good.npz", head_arrays());
  EXPECT_THAT(refusal(path + ":msk=causal"), AllOf(HasSubstr("\"msk\""), HasSubstr("\"mask\"")));
  EXPECT_THAT(refusal(path + ":mask=casual"), AllOf(HasSubstr("\"casual\""), HasSubstr("\"causal\"")));
  EXPECT_THAT(refusal(path + ":mask"), HasSubstr("not key=value"));
  EXPECT_THAT(refusal(path + ":scale=-1"), HasSubstr("scale=-1"));
  EXPECT_THAT(refusal(path + ":scale=big"), HasSubstr("scale = \"big\""));
  EXPECT_THAT(refusal(path + ":q=query"),
              AllOf(HasSubstr("no array \"query\""), HasSubstr("\"k\", \"q\", \"v\"")));
  EXPECT_THAT(refusal(path + ":mask=causal"),
              AllOf(HasSubstr("mask=causal"), HasSubstr("q has 3 rows and k has 7")));
  EXPECT_THAT(refusal(path + ":name=a/b"), HasSubstr("slash"));
}

TEST_F(Data, ArraysThatCannotBeUsedAreNamed) {
  const auto with = [](const std::string& name, NumberArray array) {
    Arrays arrays = head_arrays();
    arrays[name] = std::move(array);
    return arrays;
  };
  EXPECT_THAT(refusal(with("k", counting({7, 4}, 0))),
              AllOf(HasSubstr("bad.npz"), HasSubstr("head dimension")));
  EXPECT_THAT(refusal(with("v", counting({6, 2}, 0))), HasSubstr("every key needs its value"));
  EXPECT_THAT(refusal(with("q", counting({15}, 0))),
              AllOf(HasSubstr("array \"q\" of shape (15,)"), HasSubstr("rank 1")));
  EXPECT_THAT(refusal(with("q", {{0, 5}, {}})), HasSubstr("q has 0 rows"));
  EXPECT_THAT(refusal(with("q", {{0, 3, 5}, {}})), HasSubstr("no heads"));
  Arrays holes = head_arrays();
  holes["k"].values[2 * 5 + 3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(refusal(holes), AllOf(HasSubstr("bad.npz"), HasSubstr("k[2, 3] = nan")));
  holes = head_arrays();
  holes["v"].values[3] = -std::numeric_limits<double>::infinity();
  EXPECT_THAT(refusal(holes), HasSubstr("v[1, 1] = -inf"));
  for (const std::string name : {"q", "k", "v"}) {
    Arrays arrays = head_arrays();
    arrays.erase(name);
    EXPECT_THAT(refusal(arrays), HasSubstr("no array \"" + name + "\""));
  }
}

TEST_F(Data, SyntheticProblemsHaveNameSourceAndHash) {
  const Dataset dataset = load_dataset("synthetic:sphere,length=7,dim=5,norm=2");
  EXPECT_EQ(dataset.name, "sphere_dim5_length7_norm2");
  EXPECT_EQ(dataset.source, "synthetic:sphere,length=7,dim=5,norm=2");
  EXPECT_EQ(dataset.problem.keys(), 7);
  EXPECT_EQ(dataset.content_hash, content_hash(dataset.problem));
}

TEST_F(Data, TheDescriptionSaysWhatTheHeadIs) {
  const Dataset dataset = load_dataset("synthetic:sphere,length=7,dim=5,norm=2,mask=causal");
  EXPECT_THAT(describe(dataset), AllOf(HasSubstr(dataset.name), HasSubstr(dataset.content_hash),
                                       HasSubstr("7 queries, 7 keys, d = 5"), HasSubstr("mask causal"),
                                       HasSubstr("mean 2.00, max 2.00"), HasSubstr("positive features")));
  const nlohmann::json json = describe_json(dataset);
  EXPECT_EQ(json["name"], dataset.name);
  EXPECT_EQ(json["keys"], 7);
  EXPECT_NEAR(json["query_norm"]["max"].get<double>(), 2.0, 1e-14);
  EXPECT_EQ(json["pair_norm2"]["pairs"], 28);
  const Dataset one = load_dataset("synthetic:gaussian,length=1");
  EXPECT_THAT(describe_json(one).dump(), HasSubstr("\"ratio_mean\":null"));
  EXPECT_THAT(describe(one), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace attngap
