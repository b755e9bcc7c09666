#include "estimators/eva_groups.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"

namespace attngap {
namespace {

GroupMass mass_named(std::string_view name) {
  return name == "count-mean" ? GroupMass::count_mean
         : name == "mean"     ? GroupMass::mean
         : name == "cumulant" ? GroupMass::cumulant
                              : GroupMass::exact;
}

// `RxC`, or `none`.
void read_grid(std::string_view text, WindowShape& window) {
  if (text == "none") return;
  const std::size_t cross = text.find('x');
  require(cross != std::string_view::npos, "eva: grid = \"{}\", must be ROWSxCOLUMNS or none", text);
  window.grid_rows = static_cast<Index>(parse_count("eva: rows of grid", text.substr(0, cross)));
  window.grid_cols = static_cast<Index>(parse_count("eva: columns of grid", text.substr(cross + 1)));
  require(window.width > 0, "eva: grid={} needs the side of a window: window= of at least 1", text);
}

}  // namespace

EvaOptions eva_options(const Spec& spec) {
  const auto is = [&](std::string_view key, std::string_view value) { return option(spec, key) == value; };
  EvaOptions options;
  options.shape.window.width = static_cast<Index>(parse_count("eva: window", option(spec, "window"), 0));
  options.shape.window.overlap = is("overlap", "on");
  read_grid(option(spec, "grid"), options.shape.window);
  options.shape.proposal = proposal_mean_named(option(spec, "proposal"));
  options.shape.mass = mass_named(option(spec, "mass"));
  options.shape.cover_all = is("cover", "everything");
  if (!is("groups", "m"))
    options.groups = static_cast<Index>(parse_count("eva: groups", option(spec, "groups")));
  options.draws = static_cast<Index>(parse_count("eva: draws", option(spec, "draws")));
  require(!options.groups || options.draws == 1,
          "eva: with groups={} m counts the draws, so draws={} cannot be given as well",
          options.groups.value_or(0), options.draws);
  options.released_noise = is("noise", "released");
  options.deterministic = is("deterministic", "on");
  if (is("released-code", "on")) {
    options.released_noise = options.shape.cover_all = true;
    options.shape.mass = GroupMass::mean;
  }
  return options;
}

Matrix eva_directions(const EvaLayout& layout, Index draws, Index chunks, Index head_dim, double noise_scale,
                      const StreamAddress& address) {
  const Matrix noise = noise_scale * proposal_noise(address, {0, draws * chunks}, head_dim);
  Matrix W(static_cast<Index>(layout.groups.size()) * draws, head_dim);
  for (std::size_t g = 0; g < layout.groups.size(); ++g)
    for (Index s = 0; s < draws; ++s)
      W.row(static_cast<Index>(g) * draws + s) =
          layout.groups[g].mean.transpose() + noise.row(s * chunks + layout.groups[g].chunk);
  return W;
}

void EvaGroupDraws::draw(const EvaLayout& layout, Index draws, Index chunks, const StreamAddress& address) {
  W_ = eva_directions(layout, draws, chunks, rows_.K.cols(), noise_scale_, address);
  values_.resize(W_.rows(), rows_.V.cols());
  log_ratio_.resize(W_.rows());
  for (std::size_t g = 0; g < layout.groups.size(); ++g) {
    const Index first = static_cast<Index>(g) * draws;
    const auto W = W_.middleRows(first, draws);
    pool_.start(W);
    for (const Segment& part : layout.groups[g].tokens) pool_.absorb(part);
    values_.middleRows(first, draws) = pool_.average();
    log_ratio_.segment(first, draws) = pool_.log_mass() - W * layout.groups[g].mean;
  }
}

}  // namespace attngap
