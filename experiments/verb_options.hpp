#pragma once

#include "estimators/attention_estimator.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/program_options.hpp>

namespace attngap {

/// The options of one verb and the values it was given.
///
/// Options are declared with `add`, positional words with `positional`; `parse` then reads the command line
/// and after it a `--config` file in INI form, whose values only fill what the command line left open.
class VerbOptions {
 public:
  /// `usage` is the line after "usage: attngap".
  VerbOptions(std::string usage, std::string meaning);

  /// An option with a value; `shown` is its default as --help shows it. An option named in `add_list` may be
  /// repeated or be followed by several values.
  void add(const std::string& name, const std::string& default_value, const std::string& help);
  void add_list(const std::string& name, const std::string& help);
  void add_switch(const std::string& name, const std::string& help);
  void positional(const std::string& name, int most);

  /// False when --help was asked for and printed, or --help-markdown, the same for the user guide. Throws
  /// BadInput on an unknown option (with the nearest names), a missing value, or a config file that cannot be
  /// read.
  bool parse(const std::vector<std::string>& arguments);

  std::string text(const std::string& name) const;
  bool given(const std::string& name) const;
  bool flag(const std::string& name) const;
  std::vector<std::string> list(const std::string& name) const;

  /// Everything that was given, on the command line or in a file, as words that say it again; without the
  /// options named.
  std::vector<std::string> words(std::span<const std::string_view> without) const;

  /// The options many verbs share, by name, with one wording of their help.
  void add_shared(const std::vector<std::string>& names);

  std::vector<Index> features() const;  ///< --features 16,32,…
  /// The same; `unless_given` is the text that stands for an absent one.
  std::vector<Index> features(std::string_view unless_given) const;
  /// --queries N, or 0 for all; `unless_given` is the text that stands for an absent one.
  Index queries(std::string_view unless_given) const;
  std::uint64_t seed() const;       ///< --seed
  std::uint32_t replicate() const;  ///< --replicate: which independent draw
  int threads() const;              ///< --threads; 0 or absent: as many as the machine has
  Precision precision() const;      ///< --precision double|float

  /// An estimator as it was written, with force=on under --force where it has that key.
  std::string estimator(const std::string& written) const;

  std::vector<std::string> formats() const;  ///< --formats svg,png,pdf, each once; none: empty

 private:
  std::string help_markdown() const;

  std::string usage_;
  std::string meaning_;
  boost::program_options::options_description description_;
  boost::program_options::positional_options_description positional_;
  boost::program_options::options_description hidden_;
  boost::program_options::variables_map values_;
};

/// Throws BadInput when `out` is, by whatever path or link, the file that an input was read from, which
/// writing would destroy.
void require_other_file(const std::filesystem::path& out, const std::filesystem::path& input);

/// A text as it stands in a cell of a Markdown table, where a bar would end it.
std::string markdown_cell(std::string_view text);

/// Splits at commas; an empty piece is kept.
std::vector<std::string> split_at_commas(const std::string& text);

}  // namespace attngap
