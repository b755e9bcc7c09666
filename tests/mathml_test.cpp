// Formulas as MathML, and one for everything a report defines.

#include "plots/mathml.hpp"

#include "analysis/gap_statistics.hpp"
#include "estimators/estimator_table.hpp"
#include "plots/report_formulas.hpp"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string inside(std::string_view formula) {
  const std::string whole = mathml(formula);
  const std::string begin = "<math display=\"block\"><mrow>";
  const std::string end = "</mrow></math>";
  EXPECT_TRUE(whole.starts_with(begin) && whole.ends_with(end)) << whole;
  return whole.substr(begin.size(), whole.size() - begin.size() - end.size());
}

TEST(MathMl, LettersNumbersAndSignsAreTheirElements) {
  EXPECT_EQ(inside("x+12.5π"), "<mi>x</mi><mo>+</mo><mn>12.5</mn><mi>π</mi>");
  EXPECT_EQ(inside("x ≤ y"), "<mi>x</mi><mo>≤</mo><mi>y</mi>");
  EXPECT_EQ(inside("a<b"), "<mi>a</mi><mo>&lt;</mo><mi>b</mi>");
  EXPECT_EQ(inside("(x)"), "<mo stretchy=\"false\">(</mo><mi>x</mi><mo stretchy=\"false\">)</mo>");
}

TEST(MathMl, ScriptsHangOnWhatStandsBeforeThem) {
  EXPECT_EQ(inside("x_i"), "<msub><mi>x</mi><mi>i</mi></msub>");
  EXPECT_EQ(inside("x^{2y}"), "<msup><mi>x</mi><mrow><mn>2</mn><mi>y</mi></mrow></msup>");
  EXPECT_EQ(inside("x_i^2"), "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>");
  EXPECT_EQ(inside("x^2_i"), inside("x_i^2"));
  EXPECT_EQ(inside("\\sum_j"), "<munder><mo>∑</mo><mi>j</mi></munder>");
  EXPECT_EQ(inside("\\prod_i^n"), "<munderover><mo>∏</mo><mi>i</mi><mi>n</mi></munderover>");
}

TEST(MathMl, CommandsTakeTheirArguments) {
  EXPECT_EQ(inside("\\frac{1}{m}"), "<mfrac><mrow><mn>1</mn></mrow><mrow><mi>m</mi></mrow></mfrac>");
  EXPECT_EQ(inside("\\sqrt m"), "<msqrt><mi>m</mi></msqrt>");
  EXPECT_EQ(inside("\\hat{K}"), "<mover accent=\"true\"><mrow><mi>K</mi></mrow><mo>^</mo></mover>");
  EXPECT_EQ(inside("\\text{a < b}"), "<mtext>a &lt; b</mtext>");
  EXPECT_EQ(inside("\\exp(x)"), "<mi>exp</mi>" + inside("(x)"));
}

TEST(MathMl, WhatIsNoFormulaIsRefusedWithItsPlace) {
  for (const std::string wrong : {"{x", "x}", "x_", "\\frac{1}", "\\text x", "\\", "^2", "\\sqrt"})
    EXPECT_THROW(mathml(wrong), std::invalid_argument) << wrong;
  try {
    mathml("ab}c");
    FAIL();
  } catch (const std::invalid_argument& refused) {
    EXPECT_THAT(refused.what(), HasSubstr("'ab}c', character 2"));
  }
}

TEST(MathMl, EscapedTextHasNoMarkupLeft) {
  EXPECT_EQ(escaped("<a href='x' \"&\x01\n>"), "&lt;a href=&#39;x&#39; &quot;&amp;  &gt;");
}

TEST(ReportFormulas, EveryEstimatorHasOneAndEachCanBeRead) {
  for (const NamedEstimator& estimator : estimator_table()) {
    EXPECT_THAT(formulas_of(estimator.name), Not(IsEmpty())) << estimator.name;
    for (const auto formula : formulas_of(estimator.name)) EXPECT_NO_THROW(mathml(formula)) << formula;
  }
  for (const NamedMetric& metric : gap_metric_names())
    for (const auto formula : formulas_of(metric.name)) EXPECT_NO_THROW(mathml(formula)) << formula;
  for (const std::string name : {"mse", "bias2", "variance", "relative_mse", "median_relative_error",
                                 "kernel_variance", "taylor_error"})
    EXPECT_THAT(formulas_of(name), Not(IsEmpty())) << name;
  EXPECT_THAT(formulas_of("no such name"), IsEmpty());
}

}  // namespace
}  // namespace attngap
