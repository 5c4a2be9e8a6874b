import ArgumentParser
import Executor
import Foundation
import PlannerCore
import PlannerFiles
import Profiler
import Reporting

extension ModelCommand {
  struct Inspect: PlannerCommand {
    static let configuration = CommandConfiguration(
      commandName: "inspect",
      abstract: "List the architectures of a folder of TorchScript files: what they take, answer and need.")

    @Argument(help: "Folder of .pt files, with or without a manifest.json.") var folder: String
    @Flag(help: "Print one JSON object.") var json = false

    func execute() async throws -> PlannerExit {
      let inspection = try await ModelInspection.run(folder)
      if json {
        Output.result(try JSONFile.encode(InspectionReport(inspection)))
      } else {
        Output.result(ModelInspection.text(inspection, style: Output.style))
      }
      return .done
    }
  }

  struct Index: PlannerCommand {
    static let configuration = CommandConfiguration(
      commandName: "index",
      abstract: "Write or complete a folder's manifest.json with what can be found out; what is there stays.")

    @Argument(help: "Folder of .pt files, with or without a manifest.json.") var folder: String
    @Flag(help: "Print one JSON object.") var json = false

    struct Result: Encodable {
      var folder: String
      var models: Int
      var architectures: Int
      /// What nobody can find out, with examples.
      var questions: [String]
      /// What the manifest says and is not so; it stays.
      var contradictions: [String]
      var broken: [Inspection.BrokenFile]
    }

    func execute() async throws -> PlannerExit {
      let inspection = try await ModelInspection.run(folder, hasChecksums: true)
      let found = inspection.findings()
      let path = folder + "/" + RepositoryManifest.fileName
      var broken = inspection.broken
      for one in inspection.architectures where one.examined == nil {
        broken += one.models.map { Inspection.BrokenFile(file: $0.file, reason: one.problem ?? "it cannot be tried") }
      }
      guard !found.models.isEmpty else {
        throw Failure(
          .badData, "\(folder): no model can be used: " + (broken.first.map { "\($0.file): \($0.reason)" } ?? "none"))
      }
      let text = inspection.manifest == nil ? nil : try AtomicFile.read(path)
      try AtomicFile.write(try ManifestCompletion.complete(text, with: found), to: path)
      let architectures = inspection.architectures.count { $0.examined != nil }
      if json {
        Output.result(
          try JSONFile.encode(
            Result(
              folder: folder, models: found.models.count, architectures: architectures,
              questions: inspection.questions, contradictions: inspection.contradictions, broken: broken)))
        return .done
      }
      var page = TextPage(Output.style)
      page.paragraph(
        "\(path): \(Format.count(found.models.count, "model", "models")) of "
          + Format.count(architectures, "architecture", "architectures"))
      for question in inspection.questions { page.item(question) }
      for sentence in inspection.contradictions { page.item("left as it is: \(sentence)", mark: "! ") }
      for file in broken { page.item("\(file.file) was left out: \(file.reason)") }
      Output.result(page.text)
      return .done
    }
  }
}

/// What `planner model inspect` finds, for people.
enum ModelInspection {
  static func run(_ folder: String, hasChecksums: Bool = false) async throws -> Inspection {
    let tools = try ModelServerTools(cpus: CPUSplit.current(servingCores: 1), logFolder: NSTemporaryDirectory())
    defer { Output.clearProgress() }
    return try await tools.inspect(folder, hasChecksums: hasChecksums) { Output.progress($0) }
  }

  static func text(_ inspection: Inspection, style: TextStyle) -> String {
    var page = TextPage(style)
    var table = TextTable(columns: [
      .init("architecture"), .init("models", .trailing), .init("precision", dispensability: 1),
      .init("file", .trailing, dispensability: 2), .init("weights", .trailing),
    ])
    for one in inspection.architectures {
      table.append([
        one.name, Format.count(one.models.count), one.precision.rawValue, Format.bytes(one.fileBytes),
        Format.bytes(one.weightBytes),
      ])
    }
    page.heading(
      "\(inspection.folder): \(Format.count(inspection.architectures.count, "architecture", "architectures"))")
    page.table(table)
    for one in inspection.architectures {
      page.heading(one.name)
      if let examined = one.examined {
        for input in examined.inputs {
          let isOptional = examined.optionalInputs.contains(input.name)
          page.item("takes \(describe(input, examined.requestTensors))" + (isOptional ? ", or not" : ""))
        }
        for output in examined.outputs { page.item("answers \(output.name) \(output.datatype) \(shape(output.shape))") }
        for note in examined.notes { page.item(note) }
      }
      if let problem = one.problem { page.item("cannot be used as it is: \(problem)", mark: "! ") }
    }
    for name in inspection.ambiguousNames {
      page.item(
        "the manifest gives the name \(name) to several architectures: give each one of its own", mark: "! ")
    }
    for file in inspection.broken { page.item("\(file.file): \(file.reason)", mark: "! ") }
    if !inspection.unlisted.isEmpty {
      page.item(
        "\(Format.count(inspection.unlisted.count, "file is", "files are")) not in \(RepositoryManifest.fileName); "
          + "planner model index \(inspection.folder) adds what can be used", mark: "! ")
    }
    return page.text
  }

  private static func shape(_ sizes: [Int]) -> String {
    "[" + sizes.map { $0 < 0 ? "any" : String($0) }.joined(separator: ", ") + "]"
  }

  private static func describe(_ input: TensorDeclaration, _ requestTensors: [TensorDeclaration]) -> String {
    let below = requestTensors.first { $0.name == input.name }?.below
    return "\(input.name) \(input.datatype) \(shape(input.shape))" + (below.map { ", numbers below \($0)" } ?? "")
  }
}
