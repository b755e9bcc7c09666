// The report, from rows made by hand: which charts they make, the tables, and the page.

#include "plots/report.hpp"

#include "plots/decomposition_chart.hpp"
#include "plots/decomposition_figure.hpp"
#include "plots/gap_figure.hpp"
#include "plots/report_assets.hpp"
#include "plots/report_chart.hpp"
#include "plots/report_table.hpp"
#include "plots_support.hpp"

#include <set>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using namespace testing;

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kHostile = "</script><b onclick='x'>\"&\\ \xff<!--";

std::vector<std::string> names(const std::vector<ChartVariable>& variables) {
  std::vector<std::string> all;
  for (const ChartVariable& one : variables) all.push_back(one.name);
  return all;
}

std::vector<std::string> labels(const ReportChart& chart) {
  std::vector<std::string> all;
  for (const ChartSeries& one : chart.series) all.push_back(one.label);
  return all;
}

TEST(ReportCharts, AHeadIsDrawnAgainstTheDirectionsThatVary) {
  const auto charts = report_charts(head_rows("head"));
  ASSERT_THAT(charts, SizeIs(1));
  EXPECT_EQ(charts[0].title, "head");
  EXPECT_THAT(names(charts[0].variables), ElementsAre("draws", "dimension"));
  EXPECT_EQ(charts[0].variables[1].another_measure_of, "draws");
  EXPECT_EQ(charts[0].metrics[0], "median_relative_error");
  EXPECT_THAT(labels(charts[0]), ElementsAre("zero", "mean-value", "performer", "rfa"));
  EXPECT_TRUE(charts[0].series[1].baseline);
  EXPECT_TRUE(std::isnan(charts[0].points[0].at[0])) << "a baseline needs no directions";
  EXPECT_THAT(charts[0].points, SizeIs(head_rows("head").size()));
}

TEST(ReportCharts, AnEstimatorHasTheStyleOfItsFigure) {
  const auto rows = head_rows("head");
  const auto chart = report_charts(rows)[0];
  const auto figures = gap_figures(rows);
  for (const Series& drawn : figures[0].figure.panels[0].series) {
    const auto found = std::find_if(chart.series.begin(), chart.series.end(),
                                    [&](const ChartSeries& one) { return one.label == drawn.label; });
    ASSERT_NE(found, chart.series.end()) << drawn.label;
    EXPECT_EQ(found->style, drawn.style) << drawn.label;
  }
}

TEST(ReportCharts, NumbersInTheNameOfMadeInputsAreVariables) {
  std::vector<ResultRow> rows;
  for (const std::string norm : {"1", "2"})
    for (const std::string cosine : {"-1", "0", "0.5"})
      for (const std::string estimator : {"rfa", "performer"})
        rows.push_back(row("pair:norm=" + norm + ",cosine=" + cosine, estimator, 4, "kernel_variance", 1));
  const auto charts = report_charts(rows);
  ASSERT_THAT(charts, SizeIs(1));
  EXPECT_EQ(charts[0].title, "pair");
  EXPECT_THAT(names(charts[0].variables), ElementsAre("cosine", "norm"));  // the one of most values on x
  EXPECT_THAT(charts[0].points[2].at, ElementsAre(0, 1));
  for (const std::string head : {"pair:norm=x", "pair:norm=1,", "synthetic:gaussian,dim=4", "a=1", ":"})
    EXPECT_EQ(report_charts({row(head, "rfa", 4, "mse", 1)})[0].title, head);
}

TEST(ReportCharts, LengthGoesOnTheAxisWhereItVaries) {
  auto rows = head_rows("head");
  const auto more = head_rows("head");
  for (ResultRow one : more) {
    one.length = 14;
    rows.push_back(one);
  }
  EXPECT_THAT(names(report_charts(rows)[0].variables), ElementsAre("length", "draws", "dimension"));
}

TEST(ReportCharts, ANumericKeyThatAllEstimatorsHaveIsAVariable) {
  std::vector<ResultRow> rows;
  for (const std::string radius : {"1", "4"})
    for (const std::string degree : {"0", "1", "2"}) {
      rows.push_back(
          row("exp:radius=" + radius, "elementwise:accumulate=float,degree=" + degree, 0, "taylor_error", 1));
      rows.back().dimension = std::stoi(degree) + 1;
    }
  const auto chart = report_charts(rows)[0];
  EXPECT_THAT(names(chart.variables), ElementsAre("degree"));  // the radius tells the curves apart
  EXPECT_THAT(labels(chart), ElementsAre("radius = 1", "radius = 4"));
  rows.push_back(row("exp:radius=1", "performer", 0, "taylor_error", 1));  // has no degree
  EXPECT_THAT(labels(report_charts(rows)[0]), Not(Contains("elementwise:accumulate=float")));
}

TEST(ReportCharts, OfOneCountAreATableOnly) {
  auto rows = head_rows("head");
  std::erase_if(rows, [](const ResultRow& one) { return one.draws != 16; });
  const auto charts = report_charts(rows);
  EXPECT_THAT(charts[0].variables, IsEmpty());
  ReportSource one_count;
  one_count.rows = rows;
  EXPECT_THAT(report_html(one_count), Not(HasSubstr("data-chart=\"0\"")));
  EXPECT_THAT(report_charts({}), IsEmpty());
}

TEST(ReportCharts, AsJsonKeepNumbersAndLetNoNameOut) {
  auto rows = head_rows(kHostile);
  rows[0].value = kInfinity;
  rows[1].value = kNaN;
  rows[2].value = 0.1;
  const std::string text = charts_as_json(report_charts(rows));
  EXPECT_EQ(text.find('<'), std::string::npos);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json[0]["title"],
            "</script><b onclick='x'>\"&\\ \xef\xbf\xbd<!--");  // what is no UTF-8 is replaced
  EXPECT_EQ(json[0]["points"][0][2], "inf");
  EXPECT_TRUE(json[0]["points"][1][2].is_null());
  EXPECT_EQ(json[0]["points"][2][2], 0.1);
  EXPECT_TRUE(json[0]["points"][0][7].is_null()) << "a baseline has no place on the axis";
}

TEST(ReportCharts, PairsWithAMapSpanAPlane) {
  std::vector<ResultRow> rows;
  for (const char* norm : {"0.5", "1", "2"})
    for (const char* cosine : {"-1", "0", "1"})
      for (const char* estimator : {"performer", "rfa"})
        rows.push_back(row(fmt::format("pair:norm={},cosine={}", norm, cosine), estimator, 4,
                           "predicted_kernel_mse", 1));
  const auto with_map = report_charts(rows)[0];
  ASSERT_TRUE(with_map.map);
  EXPECT_EQ(with_map.variables[with_map.map->x].name, "cosine");
  EXPECT_EQ(with_map.variables[with_map.map->y].name, "norm");
  EXPECT_EQ(with_map.metrics[with_map.map->metric], "predicted_kernel_mse");
  EXPECT_EQ(nlohmann::json::parse(charts_as_json({with_map}))[0]["map"]["y"], with_map.map->y);

  auto two_norms = rows;
  std::erase_if(two_norms, [](const ResultRow& one) { return one.data.find("norm=2") != std::string::npos; });
  EXPECT_FALSE(report_charts(two_norms)[0].map) << "curves say as much";
  auto sampled = rows;
  for (ResultRow& one : sampled) one.metric = "kernel_variance";
  EXPECT_FALSE(report_charts(sampled)[0].map);
  EXPECT_FALSE(report_charts(head_rows("head"))[0].map);
}

TEST(DecompositionChart, ReadsTheDataOfItsFigure) {
  const KeyTerms terms{"head",
                       "title",
                       "sums",
                       {0.25, 0.75},
                       {0.5, 0.125},
                       {0.1, 0.9},
                       {{1, 2, 3}, {4, 5, 6}},
                       {{-1, 0, 1}, {0, -2, 0.5}}};
  const auto chart =
      decomposition_chart("decomposition_head", figure_csv(decomposition_figure(terms).figure));
  ASSERT_TRUE(chart);
  EXPECT_THAT(chart->metrics, ElementsAre("term", "error", "weight", "share"));
  ASSERT_TRUE(chart->map);
  std::map<std::size_t, std::map<std::vector<double>, double>> maps;
  std::map<std::size_t, std::vector<double>> curves;
  for (const ChartPoint& point : chart->points) {
    EXPECT_TRUE(std::isnan(point.std_error)) << "one draw";
    if (std::isnan(point.at[1])) {
      curves[2 * point.metric + point.series].push_back(point.value);
    } else {
      maps[point.metric][point.at] = point.value;
    }
  }
  for (std::size_t key = 0; key < 2; ++key)
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const std::vector<double> at{static_cast<double>(key), static_cast<double>(channel)};
      EXPECT_EQ(maps[0][at], terms.term[key][channel]);
      EXPECT_EQ(maps[1][at], terms.error[key][channel]);
    }
  EXPECT_EQ(curves[4], terms.h);
  EXPECT_EQ(curves[5], terms.pi);
  EXPECT_EQ(curves[6], terms.share);
}

TEST(DecompositionChart, IsNothingWhereTheTextIsNoSuchFile) {
  const std::string header = "panel,series,x,y,low,high,value\n";
  EXPECT_TRUE(decomposition_chart("n", header + "term,term,0,1,,,2\n"));
  for (const std::string& text :
       {std::string(), header, std::string("panel,series,x,y,low,high\nterm,term,0,1,,\n"),
        header + "term,term,0,1,,\n", header + "other,term,0,1,,,2\n", header + "term,term,x,1,,,2\n"})
    EXPECT_FALSE(decomposition_chart("n", text)) << text;
  EXPECT_FALSE(decomposition_chart("n", header + "term,term,0,0,,,2\nterm,term,1,0,,,2\n")->map)
      << "one channel is a curve";
}

TEST(ReportTable, ShowsValuesWithErrorsAndWhatNotToTrust) {
  EXPECT_EQ(value_with_error(0.123456, 0.00345), "0.1235 ± 0.0034");
  EXPECT_EQ(value_with_error(2, kNaN), "2");
  EXPECT_EQ(value_with_error(2, 0), "2");
  EXPECT_EQ(value_with_error(kNaN, 1), "–");
  EXPECT_EQ(value_with_error(kInfinity, kNaN), "inf");
  const std::string table = results_table(report_charts(head_rows("head"))[0]);
  EXPECT_EQ(count(table, "<tr>"), 1 + 2 + 2 * 4U);
  EXPECT_EQ(count(table, "no-moment"), 4U);  // the mean squares of rfa
  EXPECT_THAT(table, HasSubstr("<th scope=\"row\">performer</th><td>16</td><td>0.5</td><td>0.25</td>"));
  EXPECT_THAT(table, HasSubstr("<th scope=\"col\">random directions m</th>"));
}

TEST(ReportTable, OfManyLinesIsCutAndSaysSo) {
  const auto chart = report_charts(head_rows("head"))[0];
  const std::string largest = results_table(chart, 5);
  EXPECT_THAT(largest, HasSubstr("at the largest m only"));
  EXPECT_EQ(count(largest, "<tr>"), 1 + 2 + 2U);
  const std::string cut = results_table(chart, 3);
  EXPECT_THAT(cut, HasSubstr("1 more lines are in results.csv"));
  EXPECT_EQ(count(cut, "<tr>"), 1 + 3U);
}

ReportSource source(const std::string& name) {
  ReportSource all;
  all.rows = head_rows(name);
  all.provenance = {{"flags", name}};
  all.verdicts = {{name, name, name, name, "PROVEN", "REFUTED", name}};
  all.estimators = {{"performer", name, name}};
  all.metrics = {{"mse", name, ""}};
  all.pictures = {{name, name, "<svg id='" + name + "'/>"}};
  return all;
}

TEST(Report, IsOnePageWithEverything) {
  const std::string html = report_html(source("head"));
  for (const std::string part :
       {"<!DOCTYPE html>", "<html lang=\"en\">", "<title>attngap gap-vs-features: 4 estimators",
        "id=\"results\"", "id=\"pictures\"", "id=\"verdicts\"", "id=\"definitions\"", "id=\"provenance\"",
        "PROVEN", "expected REFUTED", "<math display", "prefers-color-scheme: dark", "alt=\"head\"",
        "src=\"data:image/svg+xml,%3Csvg id=%27head%27/%3E\"", "default-src 'none'"})
    EXPECT_THAT(html, HasSubstr(part));
  EXPECT_EQ(html, report_html(source("head"))) << "the same source gives the same bytes";
}

TEST(Report, ShowsHostileNamesAsTheyAre) {
  const std::string tame = report_html(source("head"));
  const std::string html = report_html(source(kHostile));
  for (const std::string part : {"<script", "</script", "<!--", "<b ", "<svg"})
    EXPECT_EQ(count(html, part), count(tame, part)) << part;
  EXPECT_THAT(html, HasSubstr("&lt;/script&gt;&lt;b onclick=&#39;x&#39;&gt;&quot;&amp;\\"));
}

TEST(Report, AsksForNothingElsewhere) {
  const std::string html = report_html(source("head"));
  for (const std::string part : {"src=\"http", "href=\"http", "src=\"//", "href=\"//", "@import"})
    EXPECT_EQ(count(html, part), 0U) << part;
  EXPECT_EQ(count(html, "src=\"data:image/svg+xml,"), 1U);
}

// A page's lists go round; up to here no two curves have the same colour and dash, nor colour and mark.
TEST(Report, TellsThirtyCurvesApartByLineAndByMarkInTheLightAndInTheDark) {
  if (!has_charting_library()) GTEST_SKIP() << "without the charting library a report draws no curve itself";
  const std::string html = report_html(source("head"));
  const std::string opening = R"(<script type="application/json" id="palette">)";
  const std::size_t begin = html.find(opening) + opening.size();
  const auto palette = nlohmann::json::parse(html.substr(begin, html.find("</script>", begin) - begin));
  const auto look = [&](std::size_t style, const char* one, const char* other) {
    const auto &first = palette.at(one), &second = palette.at(other);
    return first[style % first.size()].dump() + second[style % second.size()].dump();
  };
  for (const char* colours : {"light", "dark"}) {
    std::set<std::string> alone, lines, marks;
    for (std::size_t style = 0; style < 30; ++style) {
      alone.insert(palette.at(colours)[style % palette.at(colours).size()].get<std::string>());
      lines.insert(look(style, colours, "dashes"));
      marks.insert(look(style, colours, "shapes"));
    }
    EXPECT_EQ(alone.size(), 14U) << colours;
    EXPECT_EQ(lines.size(), 30U) << colours;
    EXPECT_EQ(marks.size(), 30U) << colours;
  }
}

TEST(Report, WithoutTheLibraryShowsPicturesFirstAndHasNoScript) {
  ReportSource plain = source("head");
  plain.interactive = false;
  const std::string html = report_html(plain);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_LT(html.find("id=\"pictures\""), html.find("id=\"results\""));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">performer</th>"));
}

TEST(Report, NothingInItEndsAScriptEarly) {
  for (const std::string_view asset : {charting_library(), report_script()}) {
    EXPECT_EQ(asset.find("</script"), std::string_view::npos);
    EXPECT_EQ(asset.find("<!--"), std::string_view::npos);
  }
  EXPECT_THAT(std::string(report_style()), Not(HasSubstr("</style")));
  EXPECT_THAT(std::string(report_style()), HasSubstr(".plot"));
}

}  // namespace
}  // namespace attngap
