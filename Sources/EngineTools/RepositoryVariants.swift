import Engine
import Foundation
import PlannerCore
import PlannerFiles
import Tokenizer
import WebClient

/// Writes variants of a repository's float32 models beside them, with their measured agreement in its manifest.
package struct RepositoryVariants: Sendable {
  package var folder: String
  package var precisions: [Precision]
  /// Texts to compare answers on, a question and its context with a tab between; nil takes the built-in ones.
  package var texts: [String]?

  package init(folder: String, precisions: [Precision], texts: [String]? = nil) {
    self.folder = folder
    self.precisions = precisions
    self.texts = texts
  }

  /// Writes `NAME-bf16.pt` and `NAME-int8.pt` for every float32 model `NAME`, replacing those that are there. The
  /// manifest is written after each, so that a run that is cut off leaves a repository that holds what it says.
  ///
  /// - Parameter progress: called after each variant.
  /// - Throws: `EngineError` or `FileError`.
  package func write(progress: (VariantReport) throws -> Void) throws {
    var manifest = try RepositoryFile.read(folder: folder)
    let originals = manifest.models.filter { $0.precision == .fp32 }
    guard !originals.isEmpty else {
      throw FileError(
        .badData,
        [FileProblem(file: folder, message: "holds no fp32 model", remedy: "variants are made of fp32 models")])
    }
    let tokenizer = try manifest.vocabularyFile.map {
      try WordPieceTokenizer.load(path: folder + "/" + $0, lowercases: manifest.lowercases)
    }
    for original in originals {
      for precision in precisions {
        var entry = original
        entry.name = "\(original.name)-\(precision.rawValue)"
        entry.file = original.file.replacingSuffix(".pt", by: "-\(precision.rawValue).pt")
        entry.precision = precision
        let report = try Self.write(
          model: folder + "/" + original.file, to: folder + "/" + entry.file, precision: precision,
          names: (original.name, entry.name), isSynthesized: manifest.seed != nil,
          measurement: tokenizer.map {
            AgreementMeasurement(tokenizer: $0, texts: texts, maxTokens: original.maxTokens)
          })
        entry.fileBytes = report.fileBytes
        entry.agreement = report.agreement
        entry.sha256 = try FileDigest.sha256(folder + "/" + entry.file)
        manifest.models.removeAll { $0.name == entry.name }
        manifest.models.append(entry)
        try JSONFile.write(manifest, to: folder + "/" + RepositoryManifest.fileName)
        try progress(report)
      }
    }
  }

  /// Writes one variant and measures its agreement, where that says something.
  ///
  /// - Parameters:
  ///   - names: of model and variant in the report.
  ///   - isSynthesized: the weights are known to be random.
  ///   - measurement: nil where there is no vocabulary to write texts with.
  /// - Throws: `EngineError`.
  package static func write(
    model: String, to output: String, precision: Precision, names: (model: String, variant: String),
    isSynthesized: Bool, measurement: AgreementMeasurement?
  ) throws(EngineError) -> VariantReport {
    let conversion = try VariantWriter.write(model: model, precision: precision, to: output)
    var report = VariantReport(
      model: names.model, variant: names.variant, file: output, precision: precision,
      linearLayers: conversion.linearLayers, embeddings: conversion.embeddings, fileBytes: conversion.fileBytes,
      agreement: nil, agreementMissing: nil)
    if isSynthesized || conversion.isUntrained {
      report.agreementMissing = "the weights were never trained, and agreement of random weights says nothing"
    } else if let measurement {
      do {
        report.agreement = try measurement.compare(TorchModel(path: model), with: TorchModel(path: output))
        report.agreement?.reference = names.model
      } catch {
        // The variant is written and sound; that it cannot be compared on texts is said, and is no failure.
        report.agreementMissing = error.description
      }
    } else {
      report.agreementMissing = "there is no vocabulary to write texts with"
    }
    return report
  }
}

extension String {
  fileprivate func replacingSuffix(_ suffix: String, by other: String) -> String {
    (hasSuffix(suffix) ? String(dropLast(suffix.count)) : self) + other
  }
}
