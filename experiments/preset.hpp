#pragma once

#include "experiments/criterion.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// One `attngap run` of a figure: its name, and its words in full and in quick form.
struct PresetRun {
  std::string name;
  std::vector<std::string> words;
  std::vector<std::string> quick_words;
};

/// A figure of a paper: how it was made there, how it is made here, and what it must show.
///
/// A preset is a JSON object with the texts `title`, `paper`, `protocol`, `ours` and `expected`; perhaps
/// `label`, what every picture says of its origin (else `paper`); `runs`, a list of objects with `name`
/// (letters, digits, - and _), `experiment`, `options` (of `attngap run`: a text, a number, true, or a list
/// of them) and, where a shorter run will do, `quick` (the options that then differ); and `criteria`, a list
/// of objects with `claim`, `run`, one of `below`, `not-above` (two selections), `ratio` (two; `within`),
/// `between` (one; `within`), `slope` (one; `against`, `within`) and `agree` (two), and `missing`, the share
/// of points that may have no number, if there are any. A selection is an object of fields of a row; a number
/// stands for itself, a pair for a range. `{heads}` in an option is the directory of the bundled heads.
struct Preset {
  std::string name;
  std::string title;
  std::string paper;
  std::string label;     ///< of a picture: after which paper, and whether its protocol or ours
  std::string protocol;  ///< of the paper
  std::string ours;      ///< what differs, or was not said there
  std::string expected;  ///< the shape of the figure
  std::vector<PresetRun> runs;
  std::vector<Criterion> criteria;
};

/// A preset as it is part of the program.
struct PresetText {
  std::string_view name;
  std::string_view json;
};

/// Every bundled preset, in the order of their names; the files are experiments/presets/NAME.json.
std::span<const PresetText> preset_texts();

/// Reads a preset. Throws BadInput naming the preset, the entry, its value and what it must be.
Preset parse_preset(const std::string& name, std::string_view json, const std::string& heads);

/// The same, whose complaints begin with `where` instead of the name.
Preset parse_preset(const std::string& name, std::string_view json, const std::string& heads,
                    const std::string& where);

/// Reads the preset of a user's file, which is called as the file is without its ending. Throws BadInput when
/// it cannot be read, is no file, or larger than a preset can be.
Preset read_preset(const std::filesystem::path& file, const std::string& heads);

/// WHERE: criterion "CLAIM", as complaints about one begin.
std::string criterion_place(std::string_view where, std::string_view claim);

}  // namespace attngap
