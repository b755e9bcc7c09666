#include "plots/report_formulas.hpp"

namespace attngap {
namespace {

struct Formula {
  std::string_view name;
  std::string_view text;
};

// One line a formula, in the words of the headers it is stated in: q, k are scaled, o is the output at query
// q, A its target, π the exact weights, m draws, R replicates, ô the estimate.
constexpr Formula kFormulas[] = {
    // estimators
    {"exact", R"(A(q) = \sum_j π_j v_j ,\quad π_j = \frac{\exp(q·k_j)}{\sum_i \exp(q·k_i)})"},
    {"zero", R"(\hat{o}(q) = 0)"},
    {"mean-value", R"(\hat{o}(q) = \frac{1}{l} \sum_j v_j)"},
    {"performer",
     R"(\hat{o}(q) = \frac{\sum_j φ(q)·φ(k_j) v_j}{\sum_j φ(q)·φ(k_j)} ,\quad φ_s(x) = \frac{1}{\sqrt{m}} \exp(ω_s·x − \frac{1}{2}|x|^2) ,\quad ω_s ∼ N(0, I))"},
    {"performer",
     R"(\text{in closed form:} \quad  \Var[φ(x)·φ(y)] = \frac{1}{m} e^{2 x·y} (e^{|x+y|^2} − 1))"},
    {"rfa",
     R"(\hat{o}(q) = \frac{\sum_j φ(q)·φ(k_j) v_j}{\sum_j φ(q)·φ(k_j)} ,\quad φ_s(x) = \frac{1}{\sqrt{m}} e^{|x|^2/2} (\sin ω_s·x , \cos ω_s·x) ,\quad ω_s ∼ N(0, I))"},
    {"rfa",
     R"(\text{in closed form:} \quad  \Var[φ(x)·φ(y)] = \frac{1}{2m} e^{|x|^2 + |y|^2} (1 − e^{−|x−y|^2})^2)"},
    {"rmfa",
     R"(\hat{o}(q) = \frac{\sum_j φ(q)·φ(k_j) v_j}{\sum_j φ(q)·φ(k_j)} ,\quad φ_s(x) = \frac{1}{\sqrt{m}} \sqrt{\frac{a_N}{p_N}} \prod_{i≤N} ω_{si}·x ,\quad \Pr[N = n] = p_n ,\quad K(x, y) = \sum_n a_n (x·y)^n)"},
    {"ra",
     R"(\hat{o}(q) = \frac{1}{m} \sum_s f(w_s) ,\quad w_s ∼ \sum_j π_j N(q + k_j, I) ,\quad f(w) = \frac{\sum_j ξ(k_j, w) v_j}{\sum_j ξ(k_j, w)} ,\quad ξ(x, w) = \exp(w·x − \frac{1}{2}|x|^2))"},
    {"lara",
     R"(\hat{o}(q) = \frac{\sum_c a_c ξ(q, w_c) \sum_j ξ(k_j, w_c) v_j}{\sum_c a_c ξ(q, w_c) \sum_j ξ(k_j, w_c)} ,\quad w_c ∼ q_c = N(μ_c, I) ,\quad a_c = α_c(w_c) \frac{N(w_c; 0, I)}{q_c(w_c)} ,\quad \sum_c α_c(w) = 1)"},
    {"eva",
     R"(\hat{o}(q) = \frac{\sum_{j∈E} \exp(q·k_j) v_j + \sum_c M_c \hat{β}_c}{\sum_{j∈E} \exp(q·k_j) + \sum_c M_c} ,\quad \hat{β}_c = \frac{g_c}{h_c} ,\quad M_c = \sum_{j∈P_c} \exp(q·k_j))"},
    {"elementwise",
     R"(o_c(q) = \frac{\sum_j w_{jc} v_{jc}}{\sum_j w_{jc}} ,\quad w_{jc} = \exp(−(q_c − k_{jc})^2) ,\quad \text{by degree:} \quad e^{2 q_c k_{jc}} → T_t(2 q_c k_{jc}))"},
    // metrics of gaps
    {"median_relative_error", R"(\median_{r, i} \frac{|\hat{o}_{ri} − A_i|}{|A_i|})"},
    {"mse", R"(\mse = \bias^2 + \variance = \frac{1}{R n p} \sum_r \sum_i |\hat{o}_{ri} − A_i|^2)"},
    {"bias2", R"(\frac{1}{n p} \sum_i |\frac{1}{R} \sum_r \hat{o}_{ri} − A_i|^2 − \frac{1}{R} \variance)"},
    {"variance", R"(\frac{1}{(R − 1) n p} \sum_r \sum_i |\hat{o}_{ri} − \frac{1}{R} \sum_s \hat{o}_{si}|^2)"},
    {"relative_mse", R"(\frac{\frac{1}{R} \sum_r \sum_i |\hat{o}_{ri} − A_i|^2}{\sum_i |A_i|^2})"},
    {"max_error", R"(\frac{1}{R} \sum_r \max_{i, c} |\hat{o}_{ric} − A_{ic}|)"},
    {"predicted_bias2",
     R"(\frac{1}{n p} \sum_i |\frac{1}{m} \sum_{j, j'} C_{jj'} (v_j − A_i)|^2 ,\quad C_{jj'} = \E[h_j h_{j'}] ,\quad \E[h_j] = π_j)"},
    {"predicted_variance",
     R"(\frac{1}{n p} \sum_i \frac{1}{m} \sum_{j, j'} C_{jj'} (v_j − A_i)·(v_{j'} − A_i))"},
    // of kernel estimates
    {"kernel_mean", R"(\frac{1}{R} \sum_r \frac{\hat{K}_r}{K} ,\quad \hat{K} = φ(x)·φ(y))"},
    {"kernel_variance", R"(\frac{1}{R − 1} \sum_r (\frac{\hat{K}_r}{K} − \text{mean})^2)"},
    {"predicted_kernel_mse", R"(\frac{\Var \hat{K}}{K^2} + (\frac{\E \hat{K}}{K} − 1)^2)"},
    // of distributions
    {"relative_error_above",
     R"(\Pr[\frac{|\hat{o}_{ri} − A_i|}{|A_i|} ≥ x] \text{ over draws r and queries i})"},
    {"denominator_below",
     R"(\Pr[\frac{D_{ri}}{\E[D_i]} < x] \text{ over draws r and queries i} ,\quad D_i = \sum_j φ(q_i)·φ(k_j))"},
    // of truncation
    {"taylor_error", R"(\sup_{|x| ≤ R} |e^x − T_t(x)| ,\quad T_t(x) = \sum_{n = 0}^t \frac{x^n}{n!})"},
    {"taylor_relative_error", R"(\sup_{|x| ≤ R} \frac{|e^x − T_t(x)|}{e^x})"},
    {"mean_total_variation", R"(\frac{1}{n d} \sum_i \sum_c \frac{1}{2} \sum_j |w_{ijc} − w_{t, ijc}|)"},
};

}  // namespace

std::vector<std::string_view> formulas_of(std::string_view name) {
  std::vector<std::string_view> found;
  for (const Formula& formula : kFormulas)
    if (formula.name == name) found.push_back(formula.text);
  return found;
}

}  // namespace attngap
