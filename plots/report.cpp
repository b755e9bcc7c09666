#include "plots/report.hpp"

#include "plots/mathml.hpp"
#include "plots/palette.hpp"
#include "plots/report_assets.hpp"
#include "plots/report_formulas.hpp"
#include "plots/report_table.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace attngap {
namespace {

// Nothing from anywhere: a report that asks for the network is broken, and this says so in the console. The
// charting library compiles its expressions, which is what eval stands for.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: "
    "blob:";

// On a dark page black would be lost.
constexpr const char* kInkInTheDark = "#FFFFFF";

std::string quoted_list(const std::vector<std::string>& texts) {
  return texts.empty() ? "[]" : fmt::format("[\"{}\"]", fmt::join(texts, "\",\""));
}

// Both lists of colours, after each other.
std::string palette_json() {
  std::vector<std::string> light(kColours.begin(), kColours.end()), dark, dashes;
  light.insert(light.end(), kDarkColours.begin(), kDarkColours.end());
  for (const std::string_view colour : kColours)
    dark.emplace_back(colour == "#000000" ? kInkInTheDark : colour);
  dark.insert(dark.end(), kPaleColours.begin(), kPaleColours.end());
  for (const std::string_view lengths : kDashLengths) dashes.push_back(fmt::format("[{}]", lengths));
  return fmt::format("{{\"light\":{},\"dark\":{},\"dashes\":[{}],\"shapes\":{}}}", quoted_list(light),
                     quoted_list(dark), fmt::join(dashes, ","),
                     quoted_list({kShapePaths.begin(), kShapePaths.end()}));
}

// A section of the page with a heading and, in the table of contents, a line.
struct Section {
  std::string id;
  std::string heading;
  std::string body;
};

std::string headline(const std::vector<ResultRow>& rows) {
  std::set<std::string> experiments;
  std::set<std::string> estimators;
  for (const ResultRow& row : rows) {
    experiments.insert(row.experiment);
    estimators.insert(row.estimator);
  }
  return fmt::format("{}: {} estimator{}, {} numbers", fmt::join(experiments, ", "), estimators.size(),
                     estimators.size() == 1 ? "" : "s", rows.size());
}

std::string results_section(const std::vector<ReportChart>& charts, bool interactive) {
  std::string html;
  for (std::size_t i = 0; i < charts.size(); ++i) {
    const ReportChart& chart = charts[i];
    html += fmt::format("<article class=\"chart\">\n<h3>{}</h3>\n<p class=\"note\">{}{}{}</p>\n",
                        escaped(chart.title), escaped(chart.experiment), chart.note.empty() ? "" : ": ",
                        escaped(chart.note));
    const bool drawn = interactive && !chart.variables.empty();
    if (drawn && chart.map)
      html += fmt::format(
          "<h4>Map over {} and {}</h4>\n<div class=\"interactive\" data-map=\"{}\"></div>\n"
          "<h4>Curves</h4>\n",
          escaped(chart.variables[chart.map->x].title), escaped(chart.variables[chart.map->y].title), i);
    if (drawn) html += fmt::format("<div class=\"interactive\" data-chart=\"{}\"></div>\n", i);
    const std::string table = results_table(chart);
    html +=
        drawn ? fmt::format("<details><summary>Table of results</summary>\n{}</details>\n", table) : table;
    html += "</article>\n";
  }
  return html;
}

// As the text of a data: address, where only these would end it or be taken for something else.
std::string percent_encoded(const std::string& text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        byte > 0x20 && byte < 0x7f && c != '%' && c != '#' && c != '"' && c != '<' && c != '>' && c != '\'';
    encoded += plain || c == ' ' ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

std::string pictures_section(const std::vector<ReportPicture>& pictures) {
  std::string html;
  for (const ReportPicture& picture : pictures)
    html += fmt::format(
        "<figure><img loading=\"lazy\" alt=\"{}\" src=\"data:image/svg+xml,{}\">"
        "<figcaption><code>figures/{}</code></figcaption></figure>\n",
        escaped(picture.title), percent_encoded(picture.svg), escaped(picture.name));
  return html;
}

std::string verdicts_section(const std::vector<ReportVerdict>& verdicts) {
  if (verdicts.empty())
    return "<p>None are kept with this run. <code>attngap verify --json &gt; DIR/verify.json</code> in its "
           "directory, then <code>attngap report DIR</code> again, puts them here.</p>\n";
  std::string html =
      "<div class=\"scroll\" tabindex=\"0\"><table>\n<caption>Claims and what was "
      "found</caption>\n<thead><tr>";
  for (const char* title : {"claim", "verdict", "method", "evidence"})
    html += fmt::format("<th scope=\"col\">{}</th>", title);
  html += "</tr></thead>\n<tbody>\n";
  for (const ReportVerdict& one : verdicts) {
    const bool surprising = !one.expected.empty() && one.expected != one.verdict;
    html += fmt::format(
        "<tr><th scope=\"row\"><code>{}</code><br>{} <small>{}</small></th>"
        "<td><span class=\"verdict\">{}</span>{}</td><td>{}</td><td class=\"words\">{}</td></tr>\n",
        escaped(one.name), escaped(one.statement), escaped(one.source), escaped(one.verdict),
        surprising ? fmt::format("<br><strong>expected {}</strong>", escaped(one.expected)) : "",
        escaped(one.method), escaped(one.evidence));
  }
  return html + "</tbody></table></div>\n";
}

std::string definition_list(const char* heading, const std::vector<ReportDefinition>& definitions) {
  if (definitions.empty()) return "";
  std::string html = fmt::format("<h3>{}</h3>\n<dl>\n", heading);
  for (const ReportDefinition& one : definitions) {
    html += fmt::format("<dt><code>{}</code></dt>\n<dd>{}{}", escaped(one.name), escaped(one.meaning),
                        one.source.empty() ? "" : fmt::format(" <small>{}</small>", escaped(one.source)));
    for (const auto formula : formulas_of(one.name))
      html += fmt::format("<div class=\"scroll\">{}</div>", mathml(formula));
    html += "</dd>\n";
  }
  return html + "</dl>\n";
}

std::string definitions_section(const ReportSource& source) {
  return "<p>q, k: scaled queries and keys; n, l: how many; p: channels of a value; m: random directions; R: "
         "replicates; A: the exact output, the estimator's target.</p>\n" +
         definition_list("Estimators", source.estimators) + definition_list("Metrics", source.metrics) +
         "<h3>Status</h3>\n<p><code>ok</code>; <code>no-moment</code>, <code>no-mean</code>: these means do "
         "not "
         "exist, the number will not settle and must not be quoted; <code>nonfinite</code>: some output was "
         "not a "
         "number; <code>few-replicates</code>: too few for a standard error; <code>heavy-tail</code>, "
         "<code>infinite-variance</code>: a sample variance would lie; <code>not-valid</code>: m is too "
         "small for "
         "first-order theory; <code>no-bound</code>: no certificate; <code>scaled</code>: measured on some "
         "of the "
         "queries.</p>\n";
}

std::string provenance_section(const ReportSource& source) {
  std::string html =
      "<div class=\"scroll\" tabindex=\"0\"><table class=\"provenance\">\n<caption>How these numbers "
      "came about (run.json)</caption>\n<tbody>\n";
  for (const auto& [name, value] : source.provenance)
    html += fmt::format("<tr><th scope=\"row\">{}</th><td class=\"words\">{}</td></tr>\n", escaped(name),
                        escaped(value));
  return html + "</tbody></table></div>\n";
}

std::string page(const std::string& title, const std::vector<Section>& sections, const std::string& scripts) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n"
      "<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<header>\n<h1>Approximation "
      "gap</h1>\n<p>{}</p>\n"
      "<nav aria-label=\"Contents\">",
      kPolicy, escaped("attngap " + title), report_style(), escaped(title));
  for (const Section& section : sections)
    html += fmt::format("<a href=\"#{}\">{}</a>", section.id, section.heading);
  html += "</nav>\n</header>\n<main>\n";
  for (const Section& section : sections)
    html += fmt::format(
        "<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n{2}"
        "</section>\n",
        section.id, section.heading, section.body);
  return html + "</main>\n" + scripts + "</body>\n</html>\n";
}

std::string scripts_of(const std::vector<ReportChart>& charts) {
  std::string html = "<noscript><p>The charts need JavaScript; tables and pictures do not.</p></noscript>\n";
  html += fmt::format("<script type=\"application/json\" id=\"palette\">{}</script>\n", palette_json());
  html +=
      fmt::format("<script type=\"application/json\" id=\"charts\">{}</script>\n", charts_as_json(charts));
  html += fmt::format("<script>\n{}</script>\n<script>\n{}{}</script>\n", charting_library(),
                      report_map_script(), report_script());
  return html;
}

}  // namespace

bool has_charting_library() {
  return !charting_library().empty();
}

std::string report_html(const ReportSource& source) {
  const bool interactive = source.interactive && has_charting_library();
  auto charts = report_charts(source.rows);
  charts.insert(charts.end(), source.decompositions.begin(), source.decompositions.end());
  std::vector<Section> sections{{"results", "Results", results_section(charts, interactive)}};
  if (!source.pictures.empty())
    sections.push_back({"pictures", "Figures", pictures_section(source.pictures)});
  sections.push_back({"verdicts", "Verdicts", verdicts_section(source.verdicts)});
  sections.push_back({"definitions", "Definitions", definitions_section(source)});
  sections.push_back({"provenance", "Provenance", provenance_section(source)});
  if (interactive)
    sections.push_back({"licences", "Licences",
                        fmt::format("<details><summary>The charting library inside this page</summary>\n"
                                    "<pre>{}</pre>\n</details>\n",
                                    [] {
                                      std::string text;  // line breaks stay, unlike in names
                                      for (const char c : charting_licences())
                                        text += c == '\n' ? std::string("\n") : escaped({&c, 1});
                                      return text;
                                    }())});
  if (!interactive && !source.pictures.empty()) std::swap(sections[0], sections[1]);
  return page(headline(source.rows), sections, interactive ? scripts_of(charts) : "");
}

}  // namespace attngap
