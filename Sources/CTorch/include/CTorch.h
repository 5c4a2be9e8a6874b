// The one door to libtorch: a plain C interface with opaque handles.
//
// Conventions, for every function that returns `int`:
//   * 0 is success; anything else is failure, and `error` (at least CT_ERROR_CAPACITY bytes) then holds
//     a NUL-terminated sentence. CT_UNSUPPORTED says that a file is whole and needs a newer library. No C++
//     exception ever crosses this interface.
//   * Handles are freed by their `_free` function, which takes NULL.
//   * A model may be run from several threads at once; the library's thread settings belong to the
//     calling thread (OpenMP gives each its own pool).
// The verbs (load, run, free) say nothing of the file format: today it is TorchScript.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CT_ERROR_CAPACITY = 1024, CT_MAX_DIMENSIONS = 8, CT_UNSUPPORTED = 2 };
/// `dimension_count` of an input that is left out of a run.
enum { CT_LEFT_OUT = -1 };

typedef enum {
  CT_FLOAT32 = 0,
  CT_INT64 = 1,
  CT_INT32 = 2,
  CT_BOOL = 3,
  CT_FLOAT64 = 4,
  CT_INT16 = 5,
  CT_INT8 = 6,
  CT_UINT8 = 7,
  /// Inputs only: outputs of these types leave as CT_FLOAT32.
  CT_FLOAT16 = 8,
  CT_BFLOAT16 = 9
} ct_dtype;

/// A dense, row-major tensor. As an input the caller owns `data`; as an output the result does.
typedef struct {
  ct_dtype dtype;
  int32_t dimension_count;
  int64_t dimensions[CT_MAX_DIMENSIONS];
  void *data;
  size_t byte_count;
} ct_tensor;

typedef struct ct_model ct_model;
typedef struct ct_result ct_result;

/// Process-wide settings, once, before anything else: inter-op threads and the graph executor.
int ct_initialize(int inter_op_threads, char *error);
/// Intra-op threads of forward passes started by the calling thread.
int ct_set_threads(int threads, char *error);
/// Threads that the shim's own loops really run on in passes started by the calling thread, whatever the precision;
/// fewer than were set where this libtorch does not use GNU's OpenMP. Takes up to a second then.
int ct_loop_threads(void);
/// Version of the library that is linked, such as "1.13.1".
const char *ct_version(void);
/// Human-readable description of the parallel and BLAS configuration; valid until the next call on this thread.
const char *ct_configuration(void);

/// Devices of a kind ("cpu", "cuda", "neuron") that this process can use; the host counts as one.
int32_t ct_device_count(const char *kind);
/// Opens a library that registers operators, before the first model that names them is loaded.
int ct_load_operators(const char *path, char *error);

/// Loads a model for inference on `device` ("cpu", "cuda:0", "neuron:0"). Models of one architecture share their
/// compiled code; on the CPU weights are used where they lie in the file, which must therefore not be changed while the
/// model is loaded (replacing it by renaming another over it does no harm). Parts of encoders are run by operators of
/// this shim, with the same answers up to rounding; see docs/engine.md.
int ct_model_load(const char *path, const char *device, ct_model **model, char *error);
/// Hash of the code in a model's file, equal for models of one architecture: 40 hexadecimal digits and a NUL. Nothing
/// of the file is run.
int ct_model_fingerprint(const char *path, char *fingerprint, char *error);
enum { CT_FINGERPRINT_CAPACITY = 41 };

enum { CT_CLASS_CAPACITY = 65 };
typedef enum { CT_PRECISION_FP32 = 0, CT_PRECISION_BF16 = 1, CT_PRECISION_INT8 = 2 } ct_precision;

/// What a model's file says of itself.
typedef struct {
  /// As `ct_model_fingerprint` has it, and of the code with types and shapes of all tensors.
  char code[CT_FINGERPRINT_CAPACITY], architecture[CT_FINGERPRINT_CAPACITY];
  /// Of the module's class, without where it was defined; cut off where it is longer.
  char class_name[CT_CLASS_CAPACITY];
  int64_t weight_bytes;
  /// Of the narrowest matrices.
  ct_precision precision;
} ct_look;

/// Looks at a model's file. Nothing of it is run or compiled, and no weight is read.
int ct_model_look(const char *path, ct_look *look, char *error);

void ct_model_free(ct_model *model);
/// Bytes of all tensors in the model's file.
int64_t ct_model_weight_bytes(const ct_model *model);

/// What an argument of `forward` is made of.
typedef enum {
  /// One tensor.
  CT_ARGUMENT_TENSOR = 0,
  /// One tensor of one element, which becomes a number.
  CT_ARGUMENT_INT = 1,
  CT_ARGUMENT_FLOAT = 2,
  CT_ARGUMENT_BOOL = 3,
  /// One tensor, whose elements become a list of numbers.
  CT_ARGUMENT_INTS = 4,
  CT_ARGUMENT_FLOATS = 5,
  CT_ARGUMENT_BOOLS = 6,
  /// Any number of tensors, in order.
  CT_ARGUMENT_TENSORS = 7,
  /// `tuple_count` tensors.
  CT_ARGUMENT_TUPLE = 8,
  /// Any number of tensors with names.
  CT_ARGUMENT_DICT = 9,
  /// Anything else: it has no tensor.
  CT_ARGUMENT_OTHER = 10
} ct_argument_kind;

/// An argument of `forward` without the module itself. Texts live as long as the model.
typedef struct {
  /// As the code has it.
  const char *name;
  /// As TorchScript writes it, such as `Optional[Tensor]`.
  const char *type;
  /// Of what is in an Optional.
  ct_argument_kind kind;
  int32_t tuple_count;
  /// 1 where it has a default or may be None.
  int32_t can_be_left_out;
} ct_argument;

/// What the elements of a tensor are for.
typedef enum {
  CT_ROLE_VALUES = 0,
  /// What is, or is not, to be looked at: BOOL.
  CT_ROLE_TRUTHS = 1,
  /// Whole numbers that choose among elements.
  CT_ROLE_PLACES = 2,
  /// Length of each row of another tensor, and where each begins in it.
  CT_ROLE_LENGTHS = 3,
  CT_ROLE_STARTS = 4,
  /// Rows of an embedding.
  CT_ROLE_IDS = 5
} ct_role;

/// What the code does first with a tensor; hints alone. Sizes and counts that are not known are 0.
typedef struct {
  ct_role role;
  /// Elements that ids and places choose from.
  int64_t index_count;
  /// Number of dimensions where the code can have no other, and the largest number that it asks for.
  int32_t dimension_count, asked_dimension_count;
  /// Which dimension counts the rows of a batch; of lengths, which one of another tensor they measure.
  int32_t row_dimension, measured_dimension;
  /// Of the dimensions at 0 and 1, and of the last one.
  int64_t first_size, second_size, last_size;
  /// Type of the weights that it meets; counts where `has_type` is 1.
  int32_t has_type;
  ct_dtype type;
} ct_hint;

/// Number of arguments that `forward` takes.
int32_t ct_model_argument_count(const ct_model *model);
/// The argument at `index`; NULL beyond the last.
const ct_argument *ct_model_argument(const ct_model *model, int32_t index);
/// What is known of an argument's tensor, or of the tensor at place `part` of a tuple; NULL where there is none.
const ct_hint *ct_model_hint(const ct_model *model, int32_t argument, int32_t part);
/// Why what `forward` returns cannot be given; NULL where it can.
const char *ct_model_answer_problem(const ct_model *model);

/// Where a tensor of a run goes. `key` is that of a dictionary, else NULL; lists and tuples take theirs in order.
typedef struct {
  int32_t argument;
  const char *key;
} ct_place;

/// Says where the tensors of a run go; before, each argument takes one. Not while the model is run.
int ct_model_place_inputs(ct_model *model, const ct_place *places, size_t count, char *error);
/// Operators of that kind, such as `planner::attention_of_heads`, in the graph that is run; 0 where the module's own
/// code is run as it is.
int32_t ct_model_operator_count(const ct_model *model, const char *kind);

/// Most bytes of a float's text with what separates it from the next.
#define CT_FLOAT_TEXT_CAPACITY 24
/// Writes the shortest texts that read back as the same floats, separated by commas, and `NaN`, `Infinity` and
/// `-Infinity` as Python writes them; `text` has room for CT_FLOAT_TEXT_CAPACITY bytes a float.
/// Returns how many were written.
size_t ct_floats_text(const float *values, size_t count, char *text);

/// Whether the file is still there under the tensors that are used where they lie. Once it was cut off or its disk
/// failed, 0, and answers since then are made of zeros.
int32_t ct_model_is_whole(const ct_model *model);

/// One forward pass. Inputs are read, never written; one for each place, and of what may be left out one with
/// `dimension_count` CT_LEFT_OUT. Outputs are tensors on the host, half floats widened; numbers have shape [1].
int ct_model_run(ct_model *model, const ct_tensor *inputs, size_t input_count, ct_result **result, char *error);
size_t ct_result_count(const ct_result *result);
/// The output at `index`; its data lives as long as the result.
const ct_tensor *ct_result_tensor(const ct_result *result, size_t index);
/// What the model calls the output at `index`: fields of named tuples and keys of dictionaries, and what is in them by
/// its place, with dots between: `hidden.0`. NULL where nothing on its way has a name.
const char *ct_result_name(const ct_result *result, size_t index);
void ct_result_free(ct_result *result);

/// Dimensions of a BERT encoder with a question-answering head.
typedef struct {
  int32_t layers, hidden, heads, intermediate, vocabulary, max_positions, type_vocabulary;
  ct_precision precision;
} ct_bert;

/// Source of one named weight: fills `values` (`count` floats). Called once per parameter, in a fixed order.
typedef int (*ct_weight_source)(void *context, const char *name, const int64_t *dimensions, int32_t dimension_count,
                                float *values, int64_t count);

/// Writes a TorchScript model of that shape to `path`, with weights from `source`.
int ct_bert_write(const ct_bert *bert, ct_weight_source source, void *context, const char *path, char *error);

/// What a conversion found.
typedef struct {
  int32_t linear_layers, embeddings;
  /// 1 where every normalization is as it was initialized: agreement of such a model says nothing.
  int32_t is_untrained;
} ct_conversion;

/// Writes the bf16 or int8 variant of the float32 model at `path` to `out`: weights of linear layers in that
/// precision, embeddings in bfloat16, all else float32. Traced and scripted models alike.
int ct_model_convert(const char *path, ct_precision precision, const char *out, ct_conversion *report, char *error);

#ifdef __cplusplus
}
#endif
