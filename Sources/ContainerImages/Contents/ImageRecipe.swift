import Foundation

/// What an image is made of.
public struct ImageRecipe: Sendable {
  /// Path of the built `model-server`.
  public var server: String
  /// Folder with the root file system that has the server's libraries; empty for this machine's own.
  public var sysroot: String
  public var machine: ElfFile.Machine
  /// What the image is called where nobody says otherwise.
  public var name: ImageReference
  /// Version of this program.
  public var version: String
  /// Seconds since 1970 that all of the image's times say.
  public var time: Int

  public init(
    server: String, sysroot: String = "", machine: ElfFile.Machine, name: ImageReference, version: String,
    time: Int = 0
  ) {
    self.server = server
    self.sysroot = sysroot
    self.machine = machine
    self.name = name
    self.version = version
    self.time = time
  }

  /// The time of `SOURCE_DATE_EPOCH` (https://reproducible-builds.org/specs/source-date-epoch/); 0 where it is not set.
  ///
  /// - Throws: `ImageError` (`usage`) where it is no number of seconds.
  public static func time(environment: [String: String]) throws(ImageError) -> Int {
    guard let text = environment["SOURCE_DATE_EPOCH"], !text.isEmpty else { return 0 }
    // As many as eleven octal digits of a tar archive hold.
    guard let time = Int(text), (0...0o77_777_777_777).contains(time) else {
      throw ImageError(
        .usage, "SOURCE_DATE_EPOCH is '\(quotable(text))'; it must be a whole number of seconds since 1970")
    }
    return time
  }
}

/// Facts of every image that this program makes; deployments rely on them.
public enum ImageFacts {
  /// User and group that the server runs as.
  public static let userID = 65532
  /// Where models are expected.
  public static let modelsFolder = "/models"
  /// Where copies of remote repositories are kept; a volume belongs there.
  public static let cacheFolder = "/cache"
  public static let serverPath = "/usr/bin/model-server"
  public static let port = 8080
  /// Where the list of the image's parts lies in it.
  public static let sbomPath = "/usr/share/sbom/model-server.spdx.json"
  /// Annotation of a manifest that says what the image is called.
  static let nameAnnotation = "planner.image.name"
  /// Label that says which BLAS the server finds.
  public static let blasLabel = "planner.blas"
}
