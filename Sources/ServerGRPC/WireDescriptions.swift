import OpenInferenceProtos
import PlannerCore
import Serving

/// What the server knows of its models, in the wire's messages.
extension Inference_ServerMetadataResponse {
  init(_ metadata: ServerMetadata) {
    self.init()
    name = metadata.name
    version = metadata.version
    // The extension of tensors in bodies is one of HTTP; here they are part of the protocol.
    extensions = metadata.extensions.filter { $0 != "binary_tensor_data" }
  }
}

extension Inference_ModelMetadataResponse {
  init(_ metadata: ModelMetadata) {
    self.init()
    name = metadata.name
    versions = [ModelMetadata.version]
    platform = ModelMetadata.platform
    inputs = metadata.inputs.map(TensorMetadata.init)
    outputs = metadata.outputs.map(TensorMetadata.init)
  }
}

extension Inference_ModelMetadataResponse.TensorMetadata {
  fileprivate init(_ tensor: TensorMetadata) {
    self.init()
    name = tensor.name
    datatype = tensor.datatype.rawValue
    shape = tensor.shape.map { Int64($0) }
  }
}

extension Inference_ModelConfig {
  init(_ configuration: ModelConfiguration) {
    self.init()
    name = configuration.metadata.name
    platform = ModelMetadata.platform
    backend = "pytorch"
    maxBatchSize = Int32(configuration.maxBatchSize)
    input = configuration.inputs.map { tensor in
      .with {
        $0.name = tensor.name
        $0.dataType = Inference_DataType(tensor.datatype)
        $0.dims = tensor.shape.map { Int64($0) }
        $0.optional = tensor.isOptional
      }
    }
    output = configuration.outputs.map { tensor in
      .with {
        $0.name = tensor.name
        $0.dataType = Inference_DataType(tensor.datatype)
        $0.dims = tensor.shape.map { Int64($0) }
      }
    }
    if configuration.isBatched {
      dynamicBatching = .with {
        $0.preferredBatchSize = configuration.batch.preferred.map { Int32($0) }
        $0.maxQueueDelayMicroseconds = UInt64(configuration.longestWaitMicroseconds)
        $0.priorityLevels = UInt64(InferenceRequest.priorityLevels.upperBound)
        $0.defaultPriorityLevel = UInt64(InferenceRequest.defaultPriorityLevel)
      }
    }
    instanceGroup = [
      .with {
        $0.name = configuration.metadata.name + "_0"
        $0.count = Int32(configuration.instances)
        $0.kind = .cpu
      }
    ]
    for (name, value) in configuration.metadata.parameters { parameters[name] = .with { $0.stringValue = value } }
  }
}

extension Inference_DataType {
  fileprivate init(_ datatype: TensorDatatype) {
    self =
      switch datatype {
      case .bool: .typeBool
      case .uint8: .typeUint8
      case .uint16: .typeUint16
      case .uint32: .typeUint32
      case .uint64: .typeUint64
      case .int8: .typeInt8
      case .int16: .typeInt16
      case .int32: .typeInt32
      case .int64: .typeInt64
      case .fp16: .typeFp16
      case .bf16: .typeBf16
      case .fp32: .typeFp32
      case .fp64: .typeFp64
      case .bytes: .typeString
      }
  }
}

extension Inference_ModelStatistics {
  init(_ statistics: ModelStatistics) {
    self.init()
    name = statistics.name
    version = statistics.version
    lastInference = UInt64(statistics.lastInference)
    inferenceCount = UInt64(statistics.inferenceCount)
    executionCount = UInt64(statistics.executionCount)
    inferenceStats = .with {
      $0.success = .init(statistics.success)
      $0.fail = .init(statistics.failure + statistics.cancelled)
      $0.queue = .init(statistics.queue)
      $0.computeInput = .init(statistics.computeInput)
      $0.computeInfer = .init(statistics.computeInfer)
      $0.computeOutput = .init(statistics.computeOutput)
      $0.cacheHit = .init()
      $0.cacheMiss = .init()
    }
    batchStats = statistics.batches.map { batch in
      .with {
        $0.batchSize = UInt64(batch.size)
        $0.computeInfer = .init(batch.compute)
      }
    }
    memoryUsage = [
      .with {
        $0.type = "CPU"
        $0.byteSize = UInt64(statistics.weightBytes)
      }
    ]
    // By index of a request's responses: every request has one.
    responseStats = [
      "0": .with {
        $0.computeInfer = .init(statistics.computeInfer)
        $0.computeOutput = .init(statistics.computeOutput)
        $0.success = .init(statistics.success)
        $0.fail = .init(statistics.failure)
        $0.emptyResponse = .init()
        $0.cancel = .init(statistics.cancelled)
      }
    ]
  }
}

extension Inference_StatisticDuration {
  fileprivate init(_ statistic: DurationStatistic) {
    self.init()
    count = UInt64(statistic.count)
    ns = UInt64(clamping: statistic.nanoseconds)
  }
}

extension Inference_RepositoryIndexResponse {
  init(_ entries: [RepositoryIndexEntry]) {
    self.init()
    models = entries.map { entry in
      .with {
        $0.name = entry.name
        $0.version = entry.version
        $0.state = entry.state
        $0.reason = entry.reason
      }
    }
  }
}
