import Crypto
import Foundation

/// The list of an image's parts: packages, files, checksums and licences, as SPDX 2.3 writes them in JSON
/// (https://spdx.github.io/spdx-spec/v2.3/).
struct SPDXDocument: Encodable {
  struct Creation: Encodable {
    var created: String
    var creators: [String]
  }

  struct Checksum: Encodable {
    var algorithm: String
    var checksumValue: String
  }

  struct Reference: Encodable {
    var referenceCategory = "PACKAGE-MANAGER"
    var referenceType = "purl"
    var referenceLocator: String
  }

  struct VerificationCode: Encodable {
    var packageVerificationCodeValue: String
  }

  struct Package: Encodable {
    var SPDXID: String
    var name: String
    var versionInfo: String?
    var supplier: String
    var downloadLocation = "NOASSERTION"
    var homepage: String?
    var filesAnalyzed: Bool
    var packageVerificationCode: VerificationCode?
    var sourceInfo: String?
    var licenseConcluded = "NOASSERTION"
    var licenseDeclared: String
    var licenseInfoFromFiles: [String]?
    var copyrightText = "NOASSERTION"
    var externalRefs: [Reference]?
    var primaryPackagePurpose: String
  }

  struct File: Encodable {
    var SPDXID: String
    var fileName: String
    var checksums: [Checksum]
    var licenseConcluded = "NOASSERTION"
    var licenseInfoInFiles = ["NOASSERTION"]
    var copyrightText = "NOASSERTION"
    var comment: String?
  }

  struct Relationship: Encodable {
    var spdxElementId: String
    var relationshipType: String
    var relatedSpdxElement: String
  }

  struct ExtractedLicence: Encodable {
    var licenseId: String
    var name: String
    var extractedText: String
  }

  var spdxVersion = "SPDX-2.3"
  var dataLicense = "CC0-1.0"
  var SPDXID = "SPDXRef-DOCUMENT"
  var name: String
  var documentNamespace: String
  var creationInfo: Creation
  var documentDescribes: [String]
  var packages: [Package]
  var files: [File]
  var relationships: [Relationship]
  var hasExtractedLicensingInfos: [ExtractedLicence]
}

extension SPDXDocument {
  private static let image = "SPDXRef-Image"
  private static let server = "SPDXRef-Package-model-server"
  private static let runtime = "SPDXRef-Package-swift-runtime"
  private static let parts = "SPDXRef-Package-image-files"

  /// - Parameter created: time of the document, as RFC 3339 writes it.
  init(_ contents: ImageContents, recipe: ImageRecipe, created: String) {
    name = "model-server-\(recipe.version)-\(recipe.machine.architecture)"
    creationInfo = Creation(created: created, creators: ["Tool: planner-\(recipe.version)"])
    documentDescribes = [Self.image]
    files = []
    var codes: [String: [String]] = [:]
    relationships = [
      Relationship(spdxElementId: SPDXID, relationshipType: "DESCRIBES", relatedSpdxElement: Self.image)
    ]
    var all = SHA256()
    for entry in contents.layers.flatMap(\.entries).sorted(by: { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) })
    {
      guard let bytes = entry.bytes else { continue }
      let file = Self.file(entry, bytes, number: files.count + 1, server: recipe.machine)
      let owner = Self.owner(of: entry)
      codes[owner, default: []].append(file.checksums[0].checksumValue)
      all.update(data: Array((entry.path + file.checksums[1].checksumValue).utf8))
      relationships.append(
        Relationship(spdxElementId: owner, relationshipType: "CONTAINS", relatedSpdxElement: file.SPDXID))
      files.append(file)
    }
    documentNamespace = "https://spdx.org/spdxdocs/\(name)-\(hexadecimal(all.finalize()))"

    packages = [Self.image(recipe)]
    if let code = codes[Self.server] { packages.append(Self.server(recipe, code)) }
    if let code = codes[Self.runtime] { packages.append(Self.runtime(code)) }
    if let code = codes[Self.parts] { packages.append(Self.parts(recipe, code)) }
    var references: [String: String] = [:]
    for (package, licences) in contents.packages {
      references.merge(licences.references) { $1 }
      packages.append(Self.debian(package, licences, codes[Self.id(package.name)] ?? []))
    }
    for package in packages.dropFirst() {
      relationships.append(
        Relationship(
          spdxElementId: Self.image, relationshipType: "CONTAINS", relatedSpdxElement: package.SPDXID))
    }
    hasExtractedLicensingInfos = references.sorted { $0.key < $1.key }.map { id, name in
      ExtractedLicence(
        licenseId: id, name: name,
        extractedText: "The text under \"License: \(name)\" in the files usr/share/doc/*/copyright of the image.")
    }
  }

  private static func id(_ package: String) -> String {
    "SPDXRef-Package-deb-"
      + String(package.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "-" })
  }

  private static func owner(of entry: ImageEntry) -> String {
    if let package = entry.package { return id(package) }
    if "/" + entry.path == ImageFacts.serverPath { return server }
    if entry.path.hasPrefix("usr/lib"), entry.path.contains(".so") { return runtime }
    return parts
  }

  private static func file(
    _ entry: ImageEntry, _ bytes: [UInt8], number: Int, server: ElfFile.Machine
  ) -> File {
    File(
      SPDXID: "SPDXRef-File-\(number)", fileName: "./" + entry.path,
      checksums: [
        Checksum(algorithm: "SHA1", checksumValue: hexadecimal(Insecure.SHA1.hash(data: bytes))),
        Checksum(algorithm: "SHA256", checksumValue: hexadecimal(SHA256.hash(data: bytes))),
      ],
      comment: entry.isChanged
        ? "Not as the package has it: names of libraries of which it uses nothing were taken out." : nil)
  }

  /// Digest of the digests of a package's files (SPDX 2.3, 7.9).
  private static func code(_ sums: [String]) -> VerificationCode {
    VerificationCode(
      packageVerificationCodeValue: hexadecimal(Insecure.SHA1.hash(data: Array(sums.sorted().joined().utf8))))
  }

  private static func image(_ recipe: ImageRecipe) -> Package {
    Package(
      SPDXID: image, name: "model-server image", versionInfo: recipe.version, supplier: "NOASSERTION",
      filesAnalyzed: false, licenseDeclared: "NOASSERTION", primaryPackagePurpose: "CONTAINER")
  }

  private static func server(_ recipe: ImageRecipe, _ sums: [String]) -> Package {
    Package(
      SPDXID: server, name: "model-server", versionInfo: recipe.version, supplier: "NOASSERTION", filesAnalyzed: true,
      packageVerificationCode: code(sums), licenseDeclared: "Apache-2.0", licenseInfoFromFiles: ["NOASSERTION"],
      primaryPackagePurpose: "APPLICATION")
  }

  private static func runtime(_ sums: [String]) -> Package {
    Package(
      SPDXID: runtime, name: "swift-runtime", supplier: "NOASSERTION", homepage: "https://www.swift.org/",
      filesAnalyzed: true, packageVerificationCode: code(sums),
      sourceInfo: "Libraries that the server needs and that are of no package; symbols for debuggers are taken out.",
      licenseDeclared: "Apache-2.0 WITH Swift-exception", licenseInfoFromFiles: ["NOASSERTION"],
      primaryPackagePurpose: "LIBRARY")
  }

  private static func parts(_ recipe: ImageRecipe, _ sums: [String]) -> Package {
    Package(
      SPDXID: parts, name: "image files", versionInfo: recipe.version, supplier: "NOASSERTION", filesAnalyzed: true,
      packageVerificationCode: code(sums),
      sourceInfo: "Written for the image: users, settings, certificates of the package ca-certificates in one file, "
        + "copyright files and database entries of the packages.",
      licenseDeclared: "NOASSERTION", licenseInfoFromFiles: ["NOASSERTION"], primaryPackagePurpose: "FILE")
  }

  private static func debian(_ package: DebianPackage, _ licences: Licences, _ sums: [String]) -> Package {
    func encoded(_ text: String) -> String {
      text.replacingOccurrences(of: "%", with: "%25").replacingOccurrences(of: "+", with: "%2B")
        .replacingOccurrences(of: ":", with: "%3A")
    }
    return Package(
      SPDXID: id(package.name), name: package.name, versionInfo: package.version,
      supplier: package.maintainer.isEmpty ? "NOASSERTION" : "Organization: " + package.maintainer,
      homepage: package.homepage, filesAnalyzed: !sums.isEmpty,
      packageVerificationCode: sums.isEmpty ? nil : code(sums),
      sourceInfo: "Debian source package \(package.source); those of its files that the image has.",
      licenseDeclared: licences.expression ?? "NOASSERTION",
      licenseInfoFromFiles: sums.isEmpty ? nil : ["NOASSERTION"],
      externalRefs: [
        Reference(
          referenceLocator:
            "pkg:deb/debian/\(encoded(package.name))@\(encoded(package.version))?arch=\(package.architecture)")
      ], primaryPackagePurpose: "LIBRARY")
  }
}
