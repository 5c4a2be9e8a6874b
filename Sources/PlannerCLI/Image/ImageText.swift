import ContainerImages
import Foundation

/// What people read of images.
enum ImageText {
  static func render(_ built: BuiltImage) -> String {
    var lines = [
      "\(built.name) for \(built.platform) written to \(built.file)",
      "\(megabytes(built.compressedBytes)) compressed, \(megabytes(built.uncompressedBytes)) unpacked; \(built.digest)",
      "",
    ]
    for layer in built.layers {
      lines.append(row(layer.compressedBytes, layer.uncompressedBytes, "\(layer.title), \(layer.files) files"))
    }
    lines += ["", "made of:"]
    let shown = 8
    for part in built.parts.prefix(shown) {
      lines.append("  \(padded(megabytes(part.bytes), 9))  \(part.name)\(part.version.map { " " + $0 } ?? "")")
    }
    let rest = built.parts.dropFirst(shown)
    if !rest.isEmpty {
      let bytes = rest.reduce(0) { $0 + $1.bytes }
      lines.append("  \(padded(megabytes(bytes), 9))  \(rest.count) others")
    }
    if !built.unusedLibraries.isEmpty {
      lines.append("left out: \(built.unusedLibraries.count) libraries that others name and nothing uses")
    }
    return lines.joined(separator: "\n")
  }

  static func render(_ transfer: ImageTransfer, verb: String) -> String {
    var parts = ["\(transfer.transferred) \(verb) (\(megabytes(transfer.transferredBytes)))"]
    if transfer.present > 0 { parts.append("\(transfer.present) there already") }
    if transfer.mounted > 0 { parts.append("\(transfer.mounted) taken over from the other repository") }
    return "\(transfer.pinned)\n\(megabytes(transfer.imageBytes)) in layers and configuration: "
      + parts.joined(separator: ", ")
  }

  static func progress(_ verb: String, _ progress: TransferProgress) -> String {
    "\(verb) \(megabytes(progress.doneBytes)) of \(megabytes(progress.totalBytes))"
  }

  private static func row(_ compressed: Int, _ plain: Int, _ text: String) -> String {
    "  \(padded(megabytes(compressed), 9))  \(padded(megabytes(plain), 9))  \(text)"
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func megabytes(_ bytes: Int) -> String { String(format: "%.1f MB", Double(bytes) / 1e6) }
}
