import APIClient
import ContainerImages
import Executor
import Foundation
import NIOCore
import PlannerCore

/// An image that an engine has.
public struct EngineImage: Hashable, Sendable {
  /// What the user or the archive calls it.
  public var name: String
  /// The engine's own identifier, which other content does not have.
  public var id: String

  public init(name: String, id: String) {
    self.name = name
    self.id = id
  }
}

/// What the user named as the server's image.
public enum ImageSource: Hashable, Sendable {
  /// A tar as `planner image build` or `docker save` write it.
  case archive(path: String)
  /// A name as `docker pull` takes it.
  case reference(String)

  /// - Throws: `RuntimeError` (`unavailable`) where `text` is neither.
  public init(_ text: String) throws(RuntimeError) {
    var isFolder: ObjCBool = false
    let isThere = FileManager.default.fileExists(atPath: text, isDirectory: &isFolder)
    if isThere, !isFolder.boolValue {
      self = .archive(path: text)
    } else if text.hasSuffix(".tar") {
      throw RuntimeError(
        .unavailable, "there is no image \(text)", remedy: "make it with: planner image build --out \(text)")
    } else if ImageReference(text) != nil {
      self = .reference(text)
    } else {
      throw RuntimeError(
        .unavailable, "'\(EngineText.plain(text, most: 100))' is neither a file nor the name of an image",
        remedy: "name a tar of planner image build, or an image such as registry.example/team/model-server:1")
    }
  }
}

extension EngineClient {
  /// Makes sure that the engine has an image: an archive is loaded, a reference is pulled unless it is there.
  ///
  /// - Parameter progress: told what is being done.
  /// - Throws: `RuntimeError`; `CancellationError`.
  public func provide(_ source: ImageSource, progress: @Sendable (String) -> Void = { _ in }) async throws
    -> EngineImage
  {
    switch source {
    case .archive(let path):
      let name = try await load(path, progress)
      guard let found = try await image(named: name) else {
        throw RuntimeError(
          .unavailable, "\(path) was loaded, and the engine has no image '\(name)'", remedy: "load it again")
      }
      return found
    case .reference(let name):
      if let found = try await image(named: name) { return found }
      progress("pulling \(name)")
      try await pull(name)
      guard let found = try await image(named: name) else { throw Self.noImage(name, "the engine has not got it") }
      return found
    }
  }

  /// - Parameter name: a reference or an identifier that was checked.
  /// - Returns: nil where the engine has no such image.
  func image(named name: String) async throws -> EngineImage? {
    let found = try await read(EngineMessage.Image.self, "/images/" + PercentEncoding.path(name) + "/json")
    return found.map { EngineImage(name: name, id: $0.id) }
  }

  static func noImage(_ name: String, _ reason: String) -> RuntimeError {
    RuntimeError(
      NodeProblem(
        .image, "the image '\(name)' cannot be had: \(reason)",
        remedy:
          "build it with planner image build and name the tar with --image, or log in to its registry and pull it "
          + "with the engine's own command"))
  }

  private func pull(_ name: String) async throws {
    // A digest or a tag goes its own way; a colon before the last slash is a port.
    var (base, tag) = (name, "latest")
    if let at = name.firstIndex(of: "@") {
      tag = String(name[name.index(after: at)...])
      base = String(name[..<at])
    }
    let slash = base.lastIndex(of: "/") ?? base.startIndex
    if let colon = base[slash...].lastIndex(of: ":") {
      if !name.contains("@") { tag = String(base[base.index(after: colon)...]) }
      base = String(base[..<colon])
    }
    let request = try request(
      "POST", "/images/create", [("fromImage", base), ("tag", tag)], timeLimit: .seconds(120))
    do {
      _ = try await steps(request, "pull \(name)")
    } catch let error as RuntimeError where error.kind == .notFound || error.kind == .notReady {
      throw Self.noImage(name, error.message)
    }
  }

  /// - Returns: the name, or the identifier, of the image that was loaded.
  private func load(_ path: String, _ progress: @Sendable (String) -> Void) async throws -> String {
    guard let file = FileHandle(forReadingAtPath: path), let size = try? file.seekToEnd(),
      (try? file.seek(toOffset: 0)) != nil
    else {
      throw RuntimeError(.unavailable, "the image \(path) cannot be read", remedy: "check the file and its permissions")
    }
    defer { try? file.close() }
    progress("loading \(path) (\(size >> 20) MiB) into the engine")
    var request = try request("POST", "/images/load", [("quiet", "1")], timeLimit: .seconds(3600))
    request.headers = [("content-type", "application/x-tar")]
    // Read as fast as it is sent, not faster.
    let parts = AsyncThrowingStream<ByteBuffer, any Error> {
      try Task.checkCancellation()
      guard let data = try file.read(upToCount: 1 << 20), !data.isEmpty else { return nil }
      return ByteBuffer(bytes: data)
    }
    request.body = .parts(parts, count: Int64(size))
    for text in try await steps(request, "load \(path)").reversed() {
      for start in ["Loaded image: ", "Loaded image ID: "] where text.hasPrefix(start) {
        // Of several images the engine names the last in the same line.
        let name =
          EngineText.plain(String(text.dropFirst(start.count))).split(separator: ",").last.map(String.init) ?? ""
        if ImageReference(name) != nil || Self.isIdentifier(name) { return name }
      }
    }
    throw RuntimeError(
      .unavailable, "the container engine did not say which image \(path) holds", remedy: "build the file again")
  }

  private static func isIdentifier(_ text: String) -> Bool {
    text.wholeMatch(of: /(sha256:)?[0-9a-f]{64}/) != nil
  }

  /// Reads the lines of a pull or a load to their end.
  ///
  /// - Returns: what the steps said.
  private func steps(_ request: APIRequest, _ what: String) async throws -> [String] {
    let answer = try await stream(request, what)
    var said: [String] = []
    do {
      for try await line in answer.lines(atMost: 1 << 20) {
        guard let step = try? JSONDecoder().decode(EngineMessage.Step.self, from: Data(line.utf8)) else { continue }
        if let error = step.error {
          throw RuntimeError(.notReady, EngineText.plain(error), remedy: "see what the engine says")
        }
        // What was loaded comes at the end; progress before it may be long.
        if let text = step.stream { said = said.suffix(99) + [text] }
      }
    } catch let error as APIError {
      throw Self.unreachable(error, address)
    }
    return said
  }
}
