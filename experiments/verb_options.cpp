#include "experiments/verb_options.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/names.hpp"
#include "experiments/run_spec.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace attngap {
namespace {

namespace po = boost::program_options;

struct SharedOption {
  std::string_view name;
  std::string_view default_value;  // of a valued option; a switch and a list have none
  std::string_view help;
  enum Kind { value, list, on_off } kind;
};

constexpr std::array kShared{
    SharedOption{
        "data", "",
        "FILE[:key=value,…] with q, k, v (.npz or .safetensors; keys mask=causal, scale=, head=, q=, k=, v=, "
        "name=) or synthetic:KIND,length=…,dim=…,norm=…; repeatable",
        SharedOption::list},
    SharedOption{"estimators", "",
                 "estimators as name:key=value,…; `attngap list estimators` shows them; repeatable",
                 SharedOption::list},
    SharedOption{"features", "16,32,64,128,256,512,1024", "increasing counts m of random directions",
                 SharedOption::value},
    SharedOption{"replicates", "64", "independent draws of the directions", SharedOption::value},
    SharedOption{
        "queries", "",
        "evenly spread queries that are measured, or all (default 256; 16 where each query costs a pass)",
        SharedOption::value},
    SharedOption{"seed", "1", "of every random number", SharedOption::value},
    SharedOption{"precision", "double", "double or float: of the features; statistics are always double",
                 SharedOption::value},
    SharedOption{
        "against", "target",
        "target or softmax: the estimator's own target, or softmax of the given inputs whatever it is",
        SharedOption::value},
    SharedOption{"threads", "0", "threads to use; 0: all of the machine's", SharedOption::value},
    SharedOption{
        "force", "",
        "run estimators also where they have no mean or variance on the data (as their key force=on)",
        SharedOption::on_off},
    SharedOption{"formats", "svg,png,pdf", "of the figures; none: no figures", SharedOption::value},
    SharedOption{"quiet", "", "print nothing but errors", SharedOption::on_off},
    SharedOption{"json", "", "print JSON", SharedOption::on_off},
};

std::string without_dashes(std::string name) {
  name.erase(0, name.find_first_not_of('-'));
  return name.substr(0, name.find('='));
}

// An option that needs a value takes the next word whatever it is, so `--out --quiet` would be a directory
// called --quiet.
void require_values(const po::parsed_options& parsed, const std::string& where = {}) {
  for (const po::option& option : parsed.options) {
    if (option.position_key >= 0) continue;
    for (std::size_t i = 1; i < option.original_tokens.size(); ++i)
      require(!option.original_tokens[i].starts_with("--"),
              "--{} is followed by {}, which is an option; give --{} its value", option.string_key,
              option.original_tokens[i], option.string_key);
    for (const std::string& value : option.value)
      require(!value.empty(), "{}--{} is empty; give it a value, or leave it out", where, option.string_key);
  }
}

std::string nearest_option(const po::options_description& description, const std::string& wrong) {
  std::vector<std::string> long_names;
  for (const auto& option : description.options()) long_names.push_back(option->long_name());
  return nearest_names(wrong, std::vector<std::string_view>(long_names.begin(), long_names.end()));
}

std::vector<std::string> words_of(const std::vector<std::string>& texts) {
  std::vector<std::string> words;
  for (const std::string& text : texts) {
    std::istringstream stream(text);
    for (std::string word; stream >> word;) words.push_back(word);
  }
  return words;
}

// Options whose value is a list of short words, which in a file may also stand between blanks.
constexpr std::array<std::string_view, 9> kShortLists{"features", "lengths", "batches", "norms",  "cosines",
                                                      "dims",     "radii",   "degrees", "formats"};

// "16, 32 64" as "16,32,64".
std::string with_commas(std::string text) {
  if (text.find_first_of(" \t") == std::string::npos) return text;
  std::replace(text.begin(), text.end(), ',', ' ');
  return fmt::format("{}", fmt::join(words_of({text}), ","));
}

void read_config(const std::string& path, const po::options_description& description,
                 po::variables_map& values) {
  std::error_code ignored;
  std::ifstream file(path);
  require(file.good() && !std::filesystem::is_directory(path, ignored) &&
              !std::filesystem::is_character_file(path, ignored),
          "--config {}: cannot be read; give an INI file of options", path);
  try {
    po::parsed_options parsed = po::parse_config_file(file, description);
    for (po::option& option : parsed.options) {
      require(option.string_key != "help" && option.string_key != "config",
              "--config {}: {} has no meaning in a file; give it on the command line", path,
              option.string_key);
      // As on the command line; the path of a head may hold blanks.
      if (option.string_key == "estimators") option.value = words_of(option.value);
      if (std::find(kShortLists.begin(), kShortLists.end(), option.string_key) != kShortLists.end())
        for (std::string& value : option.value) value = with_commas(value);
    }
    require_values(parsed, fmt::format("--config {}: ", path));
    po::store(parsed, values);
  } catch (const po::unknown_option& error) {
    const std::string wrong = without_dashes(error.get_option_name());
    require(wrong.find('.') == std::string::npos,
            "--config {}: unknown option \"{}\"; the file has no sections: take the line [{}] out", path,
            wrong, wrong.substr(0, wrong.rfind('.')));
    throw BadInput(fmt::format("--config {}: unknown option \"{}\"; did you mean {}?", path, wrong,
                               nearest_option(description, wrong)));
  } catch (const po::error& error) {
    throw BadInput(fmt::format("--config {}: {}; write NAME = VALUE lines", path, error.what()));
  }
}

}  // namespace

VerbOptions::VerbOptions(std::string usage, std::string meaning)
    : usage_(std::move(usage)), meaning_(std::move(meaning)), description_("options", 110, 70) {
  description_.add_options()("help,h", "this text");
  add("config", "",
      "INI file of the same options; the command line wins. Lists: a line each, or blanks between "
      "estimators, or "
      "blanks or commas between numbers");
}

void VerbOptions::add(const std::string& name, const std::string& default_value, const std::string& help) {
  const std::string shown = default_value.empty() ? help : help + " (default " + default_value + ")";
  auto* value = po::value<std::string>()->value_name("VALUE");
  if (!default_value.empty()) value->default_value(default_value, "");
  description_.add_options()(name.c_str(), value, shown.c_str());
}

void VerbOptions::add_list(const std::string& name, const std::string& help) {
  description_.add_options()(
      name.c_str(), po::value<std::vector<std::string>>()->multitoken()->value_name("VALUE…"), help.c_str());
}

void VerbOptions::add_switch(const std::string& name, const std::string& help) {
  description_.add_options()(name.c_str(), po::bool_switch(), help.c_str());
}

void VerbOptions::positional(const std::string& name, int most) {
  hidden_.add_options()(name.c_str(), po::value<std::vector<std::string>>());
  positional_.add(name.c_str(), most);
}

void VerbOptions::add_shared(const std::vector<std::string>& names) {
  for (const std::string& name : names)
    for (const SharedOption& option : kShared) {
      if (option.name != name) continue;
      const std::string help(option.help);
      if (option.kind == SharedOption::value) add(name, std::string(option.default_value), help);
      if (option.kind == SharedOption::list) add_list(name, help);
      if (option.kind == SharedOption::on_off) add_switch(name, help);
    }
}

std::string VerbOptions::help_markdown() const {
  std::string page =
      fmt::format("```text\nattngap {}\n\n{}\n```\n\n| option | |\n| --- | --- |\n", usage_, meaning_);
  for (const auto& option : description_.options()) {
    if (option->long_name() == "help") continue;
    std::string written = "--" + option->long_name();
    if (option->semantic()->max_tokens() != 0)
      written += option->semantic()->max_tokens() > 1 ? " VALUE…" : " VALUE";
    page += fmt::format("| `{}` | {} |\n", written, markdown_cell(option->description()));
  }
  return page;
}

bool VerbOptions::parse(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && arguments[0] == "--help-markdown") {
    fmt::print("{}", help_markdown());
    return false;
  }
  po::options_description all;
  all.add(description_).add(hidden_);
  try {
    const auto style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const po::parsed_options parsed =
        po::command_line_parser(arguments).options(all).positional(positional_).style(style).run();
    require_values(parsed);
    po::store(parsed, values_);
    if (values_.count("help") != 0) {
      std::ostringstream text;
      text << "usage: attngap " << usage_ << "\n\n" << meaning_ << "\n\n" << description_;
      fmt::print("{}", text.str());
      return false;
    }
    if (given("config")) read_config(text("config"), description_, values_);
    po::notify(values_);
  } catch (const po::unknown_option& error) {
    const std::string wrong = without_dashes(error.get_option_name());
    throw BadInput(
        fmt::format("unknown option \"--{}\"; did you mean {}?", wrong, nearest_option(description_, wrong)));
  } catch (const po::too_many_positional_options_error&) {
    throw BadInput(fmt::format("too many words; usage: attngap {}", usage_));
  } catch (const po::error& error) {
    throw BadInput(fmt::format("{}; `attngap {} --help` shows the options", error.what(),
                               usage_.substr(0, usage_.find(' '))));
  }
  return true;
}

std::string VerbOptions::text(const std::string& name) const {
  return values_.count(name) == 0 ? std::string{} : values_[name].as<std::string>();
}
bool VerbOptions::given(const std::string& name) const {
  return values_.count(name) != 0 && !values_[name].defaulted();
}
bool VerbOptions::flag(const std::string& name) const {
  return values_[name].as<bool>();
}
std::vector<std::string> VerbOptions::list(const std::string& name) const {
  return values_.count(name) == 0 ? std::vector<std::string>{} : values_[name].as<std::vector<std::string>>();
}

std::vector<std::string> VerbOptions::words(std::span<const std::string_view> without) const {
  std::vector<std::string> bare;  // first: after a list they would belong to it
  std::vector<std::string> words;
  for (const auto& [name, value] : values_) {
    if (value.defaulted() || std::find(without.begin(), without.end(), name) != without.end()) continue;
    const bool is_bare = hidden_.find_nothrow(name, false) != nullptr;
    std::vector<std::string> texts;
    if (const auto* text = boost::any_cast<std::string>(&value.value())) texts = {*text};
    if (const auto* list = boost::any_cast<std::vector<std::string>>(&value.value())) texts = *list;
    for (const std::string& text : texts)
      (is_bare ? bare : words).push_back(is_bare ? text : fmt::format("--{}={}", name, text));
    if (const auto* on = boost::any_cast<bool>(&value.value()); on != nullptr && *on)
      words.push_back("--" + name);
  }
  bare.insert(bare.end(), words.begin(), words.end());
  return bare;
}

std::vector<Index> VerbOptions::features() const {
  return features(text("features"));
}

std::vector<Index> VerbOptions::features(std::string_view unless_given) const {
  std::vector<Index> counts;
  for (const std::string& piece :
       split_at_commas(given("features") ? text("features") : std::string(unless_given)))
    counts.push_back(static_cast<Index>(parse_count("--features", piece)));
  require_increasing(counts);
  return counts;
}

Index VerbOptions::queries(std::string_view unless_given) const {
  const std::string asked = given("queries") ? text("queries") : std::string(unless_given);
  return asked == "all" ? 0 : static_cast<Index>(parse_count("--queries (or all)", asked));
}

std::uint64_t VerbOptions::seed() const {
  return parse_seed("--seed", text("seed"));
}

std::uint32_t VerbOptions::replicate() const {
  const long long replicate = parse_count("--replicate", text("replicate"), 0);
  require(replicate <= 0xffffffffLL, "--replicate = {}, must be at most 2^32 - 1", replicate);
  return static_cast<std::uint32_t>(replicate);
}

int VerbOptions::threads() const {
  const long long asked = parse_count("--threads", text("threads"), 0);
  require(asked <= 4096, "--threads = {}, must be at most 4096", asked);
  return asked > 0 ? static_cast<int>(asked)
                   : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

Precision VerbOptions::precision() const {
  constexpr std::array<std::string_view, 2> kNames{"double", "float"};
  require_known("--precision", text("precision"), kNames);
  return text("precision") == "double" ? Precision::float64 : Precision::float32;
}

std::string VerbOptions::estimator(const std::string& written) const {
  Spec spec = parse_spec(written);
  for (const NamedEstimator& row : estimator_table())
    for (const KeyHelp& key : row.keys)
      if (flag("force") && row.name == spec.name && key.key == "force") spec.options["force"] = "on";
  return spec.text();
}

std::vector<std::string> VerbOptions::formats() const {
  if (text("formats") == "none") return {};
  constexpr std::array<std::string_view, 3> kNames{"svg", "png", "pdf"};
  std::vector<std::string> formats;
  for (const std::string& format : split_at_commas(text("formats"))) {
    require_known("format", format, kNames);
    if (std::find(formats.begin(), formats.end(), format) == formats.end()) formats.push_back(format);
  }
  return formats;
}

void require_other_file(const std::filesystem::path& out, const std::filesystem::path& input) {
  std::error_code not_there;
  require(!std::filesystem::equivalent(out, input, not_there) || not_there,
          "--out {}: is {}, which is read; give another name, it would be overwritten", out.string(),
          input.string());
}

std::string markdown_cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> pieces;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    pieces.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return pieces;
}

}  // namespace attngap
