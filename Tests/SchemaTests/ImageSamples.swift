import Foundation

/// What the commands of images print; the tests of the commands hold real output to the same schemas.
extension Samples {
  private static func digest(_ character: Character) -> String { "sha256:" + String(repeating: character, count: 64) }

  static var builtImages: [String] {
    let layer = """
      {"title": "model-server", "digest": "\(digest("a"))", "diffID": "\(digest("b"))", "compressedBytes": 10,
      "uncompressedBytes": 20, "files": 2}
      """
    func image(_ more: String, _ part: String) -> String {
      """
      {"file": "model-server.oci.tar", "fileBytes": 10240, "digest": "\(digest("c"))", "name": "model-server:0.1.0",
      "platform": "linux/amd64", "created": "1970-01-01T00:00:00Z", "compressedBytes": 10, "uncompressedBytes": 20,
      "layers": [\(layer)], "parts": [\(part)], "unusedLibraries": ["libopencv_core.so.406"]\(more)}
      """
    }
    return [
      image(#", "blas": "openblas-openmp""#, #"{"name": "libc6", "version": "2.36-9", "bytes": 20}"#),
      image("", #"{"name": "model-server", "bytes": 20}"#),
    ]
  }

  static var transferredImages: [String] {
    [
      """
      {"reference": "localhost:5000/a:1", "pinned": "localhost:5000/a:1@\(digest("c"))", "digest": "\(digest("c"))",
      "file": "image.tar", "imageBytes": 30, "transferredBytes": 20, "transferred": 1, "present": 1, "mounted": 0}
      """
    ]
  }
}
