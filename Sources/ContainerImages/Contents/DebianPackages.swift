/// A Debian package, by what the database of a root file system says of it.
package struct DebianPackage: Hashable, Sendable {
  package var name: String
  package var version: String
  package var architecture: String
  package var source: String
  package var maintainer: String
  package var homepage: String?
  /// The package's paragraph in the database, whole.
  package var paragraph: String
}

/// Which package a file is from: dpkg's database (dpkg-query(1), deb-control(5)).
package struct DebianPackages {
  package static let infoFolder = "/var/lib/dpkg/info"
  package static let statusFile = "/var/lib/dpkg/status"

  /// Packages that have any of the files that were asked for, by name.
  package private(set) var packages: [String: DebianPackage] = [:]
  /// Name of the package of each of these files.
  package private(set) var owners: [String: String] = [:]

  /// - Parameters:
  ///   - files: paths in the root file system, links followed.
  ///   - architecture: Debian's name of the image's processor; packages of another are not looked at.
  /// - Throws: `ImageError` where the database cannot be read; a root without one has no packages.
  package init(_ root: RootFolder, owning files: Set<String>, architecture: String) throws(ImageError) {
    var wanted: [String: String] = [:]
    for file in files {
      wanted[file] = file
      // Packages still name what has moved below /usr by its old place.
      if file.hasPrefix("/usr/") { wanted[String(file.dropFirst(4))] = file }
    }
    let suffix = ".list"
    for name in root.names(in: Self.infoFolder) where name.hasSuffix(suffix) {
      let package = name.dropLast(suffix.count).prefix { $0 != ":" }
      for line in (try root.text(Self.infoFolder + "/" + name) ?? "").split(separator: "\n") {
        guard let file = wanted[String(line)], owners[file] == nil else { continue }
        owners[file] = String(package)
      }
    }
    try readStatus(root, of: Set(owners.values), architecture: architecture)
  }

  private mutating func readStatus(
    _ root: RootFolder, of names: Set<String>, architecture: String
  ) throws(ImageError) {
    guard !names.isEmpty else { return }
    let text = try root.text(Self.statusFile, limit: 256 << 20) ?? ""
    for paragraph in text.split(separator: "\n\n") {
      guard paragraph.hasPrefix("Package: "),
        let name = Self.field("Package", in: paragraph), names.contains(name),
        Self.field("Status", in: paragraph)?.hasSuffix(" installed") == true,
        let own = Self.field("Architecture", in: paragraph), own == architecture || own == "all"
      else { continue }
      let version = Self.field("Version", in: paragraph) ?? ""
      packages[name] = DebianPackage(
        name: name, version: version, architecture: own,
        source: (Self.field("Source", in: paragraph) ?? name).split(separator: " ").first.map(String.init) ?? name,
        maintainer: Self.field("Maintainer", in: paragraph) ?? "", homepage: Self.field("Homepage", in: paragraph),
        paragraph: paragraph + "\n")
    }
  }

  private static func field(_ name: String, in paragraph: Substring) -> String? {
    for line in paragraph.split(separator: "\n") where line.hasPrefix(name + ": ") {
      return String(line.dropFirst(name.count + 2))
    }
    return nil
  }
}
