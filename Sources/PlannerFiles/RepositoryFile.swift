import PlannerCore

/// Reads the manifest of a model repository.
public enum RepositoryFile {
  /// - Throws: `FileError` with everything that is wrong in it.
  public static func read(folder: String) throws(FileError) -> RepositoryManifest {
    let path = folder + "/" + RepositoryManifest.fileName
    return try decode(try AtomicFile.read(path), path: path)
  }

  /// Reads a manifest's text, which came from `path`.
  ///
  /// - Throws: `FileError` with everything that is wrong in it.
  public static func decode(_ text: String, path: String) throws(FileError) -> RepositoryManifest {
    let manifest = try JSONFile.decode(
      RepositoryManifest.self, from: text, path: path, kind: "repository",
      schemaVersion: RepositoryManifest.schemaVersion)
    var problems: [FileProblem] = []
    func report(_ key: String, _ message: String) {
      problems.append(FileProblem(file: path, key: key, message: message))
    }
    if manifest.models.isEmpty { report("models", "is empty") }
    if let file = manifest.vocabularyFile, !staysInside(file) { report("vocabularyFile", "leaves the folder") }
    var names = Set<String>()
    for (index, model) in manifest.models.enumerated() {
      if model.name.isEmpty || model.name.contains("/") { report("models[\(index)].name", "is not a name") }
      if !names.insert(model.name).inserted { report("models[\(index)].name", "'\(model.name)' is there twice") }
      if !staysInside(model.file) { report("models[\(index)].file", "leaves the folder") }
      let takesTokens = model.inputs.contains(TokenInputNames.ids)
      // 0 is not said, or of models that take other things than token ids.
      if model.vocabulary < 0 { report("models[\(index)].vocabulary", "is negative") }
      if model.maxTokens < 1 { report("models[\(index)].maxTokens", "is not above 0") }
      if model.fileBytes < 0 { report("models[\(index)].fileBytes", "is below 0") }
      if let sha256 = model.sha256, sha256.utf8.count != 64 || !sha256.utf8.allSatisfy(isLowerHexadecimal) {
        report("models[\(index)].sha256", "is not 64 lower-case hexadecimal digits")
      }
      if Set(model.inputs).count != model.inputs.count { report("models[\(index)].inputs", "has a name twice") }
      if takesTokens, model.inputs.first != TokenInputNames.ids {
        report("models[\(index)].inputs", "has \(TokenInputNames.ids), but not first")
      }
    }
    for (index, model) in manifest.models.enumerated() {
      problems += tensorProblems(model, at: "models[\(index)]", path)
    }
    if !problems.isEmpty { throw FileError(.badData, problems) }
    return manifest
  }

  /// What is wrong with the types and shapes that a model's entry declares.
  private static func tensorProblems(
    _ model: RepositoryManifest.Model, at place: String, _ path: String
  ) -> [FileProblem] {
    var problems: [FileProblem] = []
    func report(_ key: String, _ message: String, _ remedy: String? = nil) {
      problems.append(FileProblem(file: path, key: place + "." + key, message: message, remedy: remedy))
    }
    let lists = [
      ("inputTensors", model.inputTensors ?? []), ("outputTensors", model.outputTensors ?? []),
      ("requestTensors", model.requestTensors ?? []),
    ]
    for (key, tensors) in lists {
      var names = Set<String>()
      for (index, tensor) in tensors.enumerated() {
        let own = "\(key)[\(index)]"
        if tensor.name.isEmpty || !names.insert(tensor.name).inserted {
          report(own + ".name", "is empty or there twice", "give each tensor a name of its own")
        } else if key == "inputTensors", !model.inputs.isEmpty, !model.inputs.contains(tensor.name) {
          report(own + ".name", "'\(tensor.name)' is not among inputs", "use a name of \(place).inputs")
        }
        if !TensorDeclaration.datatypes.contains(tensor.datatype) {
          report(
            own + ".datatype", "'\(tensor.datatype)' is no datatype of a tensor",
            "use one of " + TensorDeclaration.datatypes.joined(separator: ", "))
        }
        if let below = tensor.below, below < 1 { report(own + ".below", "is not above 0") }
        if tensor.shape.count > TensorDeclaration.mostDimensions || tensor.shape.contains(where: { $0 < 1 && $0 != -1 })
        {
          report(own + ".shape", "has a size that is neither above 0 nor -1, or more than 8", "write -1 for any size")
        }
      }
    }
    return problems
  }

  private static func isLowerHexadecimal(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }

  private static func staysInside(_ file: String) -> Bool {
    !file.isEmpty && !file.hasPrefix("/") && !file.split(separator: "/").contains("..")
  }
}
