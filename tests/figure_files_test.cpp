// The files of a figure, drawn by the real gnuplot or left for it.

#include "plots_support.hpp"

namespace attngap {
namespace {

using namespace testing;

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// With the real gnuplot: without it nobody knows whether the scripts are understood.
class DrawnTest : public PlotsTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(find_program("gnuplot")) << "gnuplot is not on the PATH: install gnuplot-nox";
  }
};

TEST_F(DrawnTest, EveryFormatIsWrittenBesideDataAndScript) {
  const auto written = write_figure(small_figure(), directory_, "gap", {"svg", "png", "pdf"});
  EXPECT_THAT(written.paths,
              ElementsAre(directory_ / "gap.csv", directory_ / "gap.gp", directory_ / "gap.svg",
                          directory_ / "gap.png", directory_ / "gap.pdf"));
  EXPECT_EQ(written.message, "");
  EXPECT_EQ(read(directory_ / "gap.svg").substr(0, 5), "<?xml");
  EXPECT_EQ(read(directory_ / "gap.png").substr(1, 3), "PNG");
  EXPECT_EQ(read(directory_ / "gap.pdf").substr(0, 4), "%PDF");
}

TEST_F(DrawnTest, NothingTemporaryIsLeft) {
  write_figure(small_figure(), directory_, "gap", {"svg"});
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_), {}), 3);
}

TEST_F(DrawnTest, TheSameFigureGivesTheSameBytes) {
  const auto figures = gap_figures(head_rows("lm_kjv_l0_h3"));
  for (const std::string name : {"a", "b"}) {
    write_figure(figures[0].figure, directory_ / name, "gap", {"svg"});
  }
  for (const std::string file : {"gap.csv", "gap.gp", "gap.svg"}) {
    EXPECT_EQ(read(directory_ / "a" / file), read(directory_ / "b" / file)) << file;
  }
}

TEST_F(DrawnTest, TheScriptAloneRedrawsTheFigure) {
  write_figure(small_figure(), directory_, "gap", {"svg"});
  const std::string before = read(directory_ / "gap.svg");
  fs::remove(directory_ / "gap.svg");
  run_gnuplot(*find_program("gnuplot"), directory_, "gap.gp");
  EXPECT_EQ(read(directory_ / "gap.svg"), before);
}

TEST_F(DrawnTest, TheSvgNamesHeadEstimatorsBaselinesAndGuides) {
  draw_figures(head_rows("lm_kjv_l0_h3"), directory_, {"svg"});
  const std::string svg = read(directory_ / "gap_lm_kjv_l0_h3.svg");
  for (const std::string text : {"lm_kjv_l0_h3: l = 7 keys, d = 5, 3 queries, 11 replicates", ">performer<",
                                 ">rfa<", ">zero<", ">mean-value<", "slope −½", "slope −1",
                                 "random directions m", "no finite mean square: rfa", ">128<"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
}

TEST_F(DrawnTest, PointsWithoutAValueAreSkippedAndLeaveAGap) {
  Figure figure = small_figure();
  write_figure(figure, directory_, "whole", {"svg"});
  for (const double nothing : {kNaN, kInfinity, -1.0, 0.0}) {
    figure.panels[0].series[0].y[1] = nothing;
    write_figure(figure, directory_, "gap", {"svg"});
    EXPECT_EQ(marks(directory_ / "whole.svg"), 5U);  // four points and one in the legend
    EXPECT_EQ(marks(directory_ / "gap.svg"), 4U) << nothing;
  }
}

TEST_F(DrawnTest, AFigureWithNothingToShowIsStillDrawn) {
  Figure figure = small_figure();
  figure.panels[0].series[0].y = {kNaN, kInfinity, -1, 0};
  write_figure(figure, directory_, "nothing", {"svg"});
  figure.panels[0].series.clear();
  write_figure(figure, directory_, "no series", {"svg"});
  figure.panels.clear();
  const auto written = write_figure(figure, directory_, "no panel", {"svg"});
  EXPECT_THAT(read(written.paths.back()), HasSubstr("a title"));
}

TEST_F(DrawnTest, ABandOfOnePointIsABar) {
  Figure figure = small_figure();
  figure.panels[0].series[0] = {"rfa", {16}, {1}, {0.5}, {2}, 0};
  write_figure(figure, directory_, "one", {"svg"});
  EXPECT_THAT(read(directory_ / "one.gp"), HasSubstr("yerrorbars"));
  EXPECT_THAT(read(directory_ / "one.gp"), Not(HasSubstr("filledcurves")));
}

TEST_F(DrawnTest, LinearAxesWork) {
  Figure figure = small_figure();
  figure.panels[0].log_x = figure.panels[0].log_y = false;
  figure.panels[0].series[0].y = {-1, 0, 1, 2};
  write_figure(figure, directory_, "linear", {"svg"});
  EXPECT_EQ(marks(directory_ / "linear.svg"), 5U);
}

TEST_F(DrawnTest, StrangeNamesAreDrawnAsTheyAre) {
  const std::string strange = "it's \"a\" b_c^2 {d} 100%s `e` @f $g ~h |i";
  Figure figure = small_figure();
  figure.title = figure.panels[0].name = figure.panels[0].note = strange;
  figure.panels[0].series[0].label = strange;
  figure.panels[0].baselines.push_back({strange, 0.5});
  const std::string name = "<it's \"a\" b_c {d} %d `e` $g |i";
  const auto written = write_figure(figure, directory_, name, {"svg", "png", "pdf"});
  for (const auto& path : written.paths) EXPECT_GT(fs::file_size(path), 0U) << path;
  const std::string svg = read(directory_ / (name + ".svg"));
  EXPECT_GE(count(svg, "it's \"a\" b_c^2 {d} 100%s `e` @f $g ~h |i"), 4U);  // title, note, legend, baseline
  EXPECT_EQ(marks(directory_ / (name + ".svg")), 5U);
}

TEST_F(DrawnTest, TwelveEstimatorsLookDifferentWithoutColour) {
  std::vector<ResultRow> rows;
  for (int i = 0; i < 12; ++i) add_estimator(rows, "head", "estimator" + std::to_string(i), "ok");
  draw_figures(rows, directory_, {"svg"});
  const std::string script = read(directory_ / "gap_head.gp");
  const std::vector<std::string> dash = between(script, " dashtype ", " pointtype ");
  std::vector<std::string> looks = between(script, " pointtype ", " pointsize ");
  ASSERT_EQ(looks.size(), dash.size());
  for (std::size_t i = 0; i < looks.size(); ++i) looks[i] += dash[i];
  const std::set<std::string> dashes(dash.begin(), dash.end());
  EXPECT_THAT(looks, SizeIs(12));
  EXPECT_THAT(dashes, SizeIs(5));
  std::sort(looks.begin(), looks.end());
  EXPECT_EQ(std::adjacent_find(looks.begin(), looks.end()), looks.end());
}

TEST_F(DrawnTest, ManyHeadsSpillOntoFurtherPagesOfOneScale) {
  std::vector<ResultRow> rows;
  for (int i = 0; i < 13; ++i) add_estimator(rows, "head" + std::to_string(i), "rfa", "ok");
  rows[0].value = 50;  // the tallest point is on the first page
  const auto pages = gap_overview(rows);
  ASSERT_THAT(pages, SizeIs(2));
  EXPECT_THAT(pages[0].figure.panels, SizeIs(12));
  EXPECT_THAT(pages[1].figure.panels, SizeIs(1));
  EXPECT_EQ(pages[1].name, "gap_overview_2");
  EXPECT_GT(pages[1].figure.panels[0].y_range->high, 50);
  const auto drawn = draw_figures(rows, directory_, {"svg"});
  EXPECT_THAT(drawn, Contains(EndsWith("gap_overview_2.svg")));
}

TEST_F(PlotsTest, WithoutGnuplotDataAndScriptStayAndAMessageTellsTheRest) {
  setenv("PATH", "", 1);
  const auto written = write_figure(small_figure(), directory_, "gap", {"svg"});
  EXPECT_THAT(written.paths, ElementsAre(directory_ / "gap.csv", directory_ / "gap.gp"));
  EXPECT_THAT(written.message, HasSubstr("install it (package gnuplot-nox)"));
  EXPECT_THAT(written.message, HasSubstr("gnuplot gap.gp"));
  EXPECT_GT(fs::file_size(directory_ / "gap.gp"), 0U);
}

TEST_F(PlotsTest, WithoutGnuplotOneMessageNamesEveryScript) {
  setenv("PATH", "", 1);
  auto rows = head_rows("a");
  const auto more = head_rows("b");
  rows.insert(rows.end(), more.begin(), more.end());
  const auto drawn = draw_figures(rows, directory_, {"svg"});
  ASSERT_THAT(drawn, SizeIs(7));
  EXPECT_THAT(drawn.back(), HasSubstr("gnuplot gap_overview.gp gap_a.gp gap_b.gp"));
}

TEST_F(PlotsTest, AGnuplotThatFailsIsQuotedAndTheDataStay) {
  install_gnuplot("echo 'line 3: no such terminal' >&2; exit 1\n");
  EXPECT_THAT(
      [&] { write_figure(small_figure(), directory_, "gap", {"svg"}); },
      ThrowsMessage<std::runtime_error>(HasSubstr("gnuplot failed on gap.gp: line 3: no such terminal")));
  EXPECT_TRUE(fs::exists(directory_ / "gap.csv"));
  EXPECT_TRUE(fs::exists(directory_ / "gap.gp"));
  EXPECT_FALSE(fs::exists(directory_ / "gap.svg"));
}

TEST_F(PlotsTest, AGnuplotThatSaysNothingIsNamedByHowItEnded) {
  const auto write = [&] { write_figure(small_figure(), directory_, "gap", {"svg"}); };
  install_gnuplot("kill -TERM $$\n");
  EXPECT_THAT(write, ThrowsMessage<std::runtime_error>(HasSubstr("gap.gp: stopped by signal 15")));
  install_gnuplot("exit 3\n");
  EXPECT_THAT(write, ThrowsMessage<std::runtime_error>(HasSubstr("gap.gp: exit status 3 and no message")));
}

TEST_F(PlotsTest, AnEmptyEntryOfThePathIsNotTheWorkingDirectory) {
  install_gnuplot("exit 0\n");
  EXPECT_TRUE(find_program("gnuplot"));
  const fs::path here = fs::current_path();
  fs::current_path(directory_ / "bin");
  setenv("PATH", ":/no/such/directory", 1);
  EXPECT_FALSE(find_program("gnuplot"));
  fs::current_path(here);
}

TEST_F(PlotsTest, GnuplotGetsOneFileAndNoShell) {
  install_gnuplot("printf '%s|' \"$@\" > 'a;b.svg'\n");
  write_figure(small_figure(), directory_, "a;b", {"svg"});
  EXPECT_EQ(read(directory_ / "a;b.svg"), "-d|./a;b.gp|");
}

TEST_F(PlotsTest, UnknownFormatsAndImpossibleNamesAreRefused) {
  const auto write = [&](const std::string& name, const std::string& format) {
    return [=, this] { write_figure(small_figure(), directory_, name, {format}); };
  };
  EXPECT_THAT(write("gap", "gif"), ThrowsMessage<std::runtime_error>(HasSubstr("known are svg, png, pdf")));
  EXPECT_THAT(write("../gap", "svg"), ThrowsMessage<std::runtime_error>(HasSubstr("cannot name")));
  EXPECT_THAT(write("", "svg"), ThrowsMessage<std::runtime_error>(HasSubstr("cannot name")));
  EXPECT_THAT(write("a\nb", "svg"), ThrowsMessage<std::runtime_error>(HasSubstr("cannot name")));
}

}  // namespace
}  // namespace attngap
