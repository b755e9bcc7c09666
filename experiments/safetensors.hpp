#pragma once

#include "experiments/number_array.hpp"

#include <memory>
#include <string>

namespace attngap {

/// Opens a .safetensors file: eight bytes of header length, a JSON header, then the tensors' bytes, little
/// endian. Tensors of type F64, F32, F16 and BF16 are read; others may be present.
///
/// Throws BadInput naming the file if it is missing, if the header is longer than the file, is not JSON, or
/// describes a tensor whose offsets leave the file or disagree with its shape. Reading one tensor throws if
/// it is absent or of another type. Format: huggingface/safetensors, README, "Format".
std::unique_ptr<ArrayFile> open_safetensors(const std::string& path);

}  // namespace attngap
