#include "estimators/error.hpp"
#include "experiments/describe_data.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace attngap {

int verb_data(const std::vector<std::string>& arguments) {
  VerbOptions options(
      "data F…",
      "How hard a head is: shapes, norms, range of the logits, entropy of the rows, quantiles of |q+k|².");
  options.positional("file", -1);
  options.add_shared({"data", "json"});
  if (!options.parse(arguments)) return kDone;
  auto files = options.list("file");
  for (const std::string& file : options.list("data")) files.push_back(file);
  require(!files.empty(), "which head? give a .npz or .safetensors with q, k, v, or synthetic:gaussian");

  // Everything is printed at the end: a file that cannot be read leaves no half of an answer.
  std::string text;
  auto all = nlohmann::json::array();
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Dataset dataset = load_dataset(files[i]);
    if (options.flag("json")) {
      all.push_back(describe_json(dataset));
    } else {
      if (i > 0) text += '\n';
      text += describe(dataset);
    }
  }
  fmt::print("{}", options.flag("json") ? all.dump(1) + "\n" : text);
  return kDone;
}

}  // namespace attngap
