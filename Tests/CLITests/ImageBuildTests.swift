import Foundation
import TestSupport
import Testing

/// The image of the built server, made once for all tests that look at it.
private struct ServerImage: Sendable {
  static let shared = Result { try ServerImage() }

  let place: Workplace
  let result: Workplace.Result
  var file: String { place.folder + "/image.tar" }

  private init() throws {
    place = try Workplace()
    result = try place.planner("image", "build", "--out", "image.tar", "--sbom", "parts.json", "--json")
    try #require(result.status == 0, "\(result.errors)")
  }

  /// The image as a folder of layers, by skopeo.
  func layout() throws -> String {
    let folder = place.folder + "/layout"
    if !FileManager.default.fileExists(atPath: folder) {
      let copied = try tool(Tools.skopeo, ["copy", "--insecure-policy", "oci-archive:\(file)", "oci:\(folder):test"])
      try #require(copied.status == 0, "\(copied.errors)")
    }
    return folder
  }
}

@Suite(.serialized) struct ImageBuildTests {
  /// A server built twice gives one file, byte for byte; another time gives another.
  @Test func theSameInputsGiveTheSameBytes() throws {
    let image = try ServerImage.shared.get()
    let again = try image.place.planner("image", "build", "--out", "again.tar", "--json")
    #expect(again.status == 0, "\(again.errors)")
    #expect(FileManager.default.contentsEqual(atPath: image.file, andPath: image.place.folder + "/again.tar"))
    #expect(try again.json()["digest"] as? String == image.result.json()["digest"] as? String)
    #expect(try image.place.leftovers() == [])
    let small = try Workplace()
    var digests: [String?] = []
    for time in ["", "86400", "86400"] {
      let built = try small.planner(
        "image", "build", "--server", "/usr/bin/openssl", "--out", "s.tar", "--json",
        environment: ["SOURCE_DATE_EPOCH": time])
      #expect(built.status == 0, "\(built.errors)")
      digests.append(try built.json()["digest"] as? String)
    }
    #expect(digests[0] != digests[1] && digests[1] == digests[2])
  }

  @Test func whatIsPrintedFitsItsSchema() throws {
    let image = try ServerImage.shared.get()
    #expect(try CommandSchemaTests.violations("image-build", image.result.output) == [])
    let built = try image.result.json()
    let layers = try #require(built["layers"] as? [[String: Any]])
    #expect(layers.count == 4)
    // The server alone is what a new build of it sends.
    let last = try #require(layers.last?["compressedBytes"] as? Int)
    #expect(last * 5 < (built["compressedBytes"] as? Int ?? 0), "\(last)")
    #expect(built["blas"] as? String == "openblas-openmp")
    let unused = try #require(built["unusedLibraries"] as? [String])
    #expect(unused.contains { $0.hasPrefix("libopencv_core") } && !unused.contains { $0.hasPrefix("libtorch") })
  }

  /// A server that was built again changes the last layer and no other.
  @Test func aNewServerChangesOneLayer() throws {
    let image = try ServerImage.shared.get()
    let server = image.place.folder + "/model-server"
    try FileManager.default.copyItem(atPath: Workplace.binaries + "/model-server", toPath: server)
    let handle = try #require(FileHandle(forUpdatingAtPath: server))
    // Flags of the processor, of which this one has none and looks at none.
    try handle.seek(toOffset: 48)
    try handle.write(contentsOf: Data([1]))
    try handle.close()
    let other = try image.place.planner("image", "build", "--server", server, "--out", "other.tar", "--json")
    #expect(other.status == 0, "\(other.errors)")
    func layers(_ result: Workplace.Result) throws -> [String] {
      try #require(try result.json()["layers"] as? [[String: Any]]).compactMap { $0["digest"] as? String }
    }
    let (one, two) = (try layers(image.result), try layers(other))
    #expect(one.dropLast() == two.dropLast() && one.last != two.last)
  }

  /// Tools of others read it: as an OCI layout and as what docker saves.
  @Test func othersReadIt() throws {
    let image = try ServerImage.shared.get()
    let inspected = try tool(Tools.skopeo, ["inspect", "oci-archive:\(image.file)"])
    #expect(inspected.status == 0, "\(inspected.errors)")
    let facts = try #require(
      try JSONSerialization.jsonObject(with: Data(inspected.output.utf8)) as? [String: Any])
    #expect(facts["Digest"] as? String == (try image.result.json()["digest"] as? String))
    #expect(facts["Architecture"] as? String == "amd64" || facts["Architecture"] as? String == "arm64")
    let configured = try tool(Tools.skopeo, ["inspect", "--config", "docker-archive:\(image.file)"])
    #expect(configured.status == 0, "\(configured.errors)")
    let whole = try #require(
      try JSONSerialization.jsonObject(with: Data(configured.output.utf8)) as? [String: Any])
    let config = try #require(whole["config"] as? [String: Any])
    #expect(config["User"] as? String == "65532:65532")
    #expect(config["Entrypoint"] as? [String] == ["/usr/bin/model-server"])
    #expect((config["ExposedPorts"] as? [String: Any])?.keys.contains("8080/tcp") == true)
    #expect((config["Labels"] as? [String: String])?["org.opencontainers.image.title"] == "model-server")
  }

  /// The list of parts is valid by the tools of those who made the form, and lies in the image too.
  @Test func theListOfPartsIsValid() throws {
    let image = try ServerImage.shared.get()
    let parts = image.place.folder + "/parts.json"
    let checked = try tool(Tools.spdx, ["-i", parts])
    #expect(checked.status == 0, "\(checked.output) \(checked.errors)")
    let text = try image.place.read("parts.json")
    for wanted in ["libtorch_cpu.so", "\"libc6\"", "pkg:deb/debian/libc6@", "ca-certificates", "swift-runtime"] {
      #expect(text.contains(wanted), "\(wanted)")
    }
    // It does not pass everything.
    _ = try image.place.file("broken.json", text.replacingOccurrences(of: "\"SHA1\"", with: "\"SHA0\""))
    #expect(try tool(Tools.spdx, ["-i", image.place.folder + "/broken.json"]).status != 0)
  }

  @Test func mistakesAreSaid() throws {
    let place = try Workplace()
    _ = try place.file("text", "#!/bin/sh\n")
    let arm = try Workplace.own == "amd64" ? "linux/arm64" : "linux/amd64"
    for (arguments, status, said) in [
      (["--server", "text"], 65, "text is neither a program nor a library"),
      (["--server", "missing"], 69, "missing: there is no such file"),
      (["--server", place.folder], 69, "is no plain file"),
      (["--platform", arm], 64, "--sysroot"),
      (["--platform", "windows/amd64"], 64, "--platform must be"),
      (["--name", "Not A Name"], 64, "--name must be"),
      (["--server", "/usr/bin/openssl", "--out", place.folder], 69, "is a folder"),
    ] as [([String], Int32, String)] {
      let result = try place.run(["image", "build"] + arguments)
      #expect(
        result.status == status && result.errors.contains(said), "\(arguments): \(result.status) \(result.errors)")
    }
    let epoch = try place.planner(
      "image", "build", "--server", "/usr/bin/openssl", environment: ["SOURCE_DATE_EPOCH": "yesterday"])
    #expect(epoch.status == 64 && epoch.errors.contains("SOURCE_DATE_EPOCH"))
    let left = try FileManager.default.contentsOfDirectory(atPath: place.folder)
    #expect(!left.contains { $0.hasSuffix(".tar") || $0.hasSuffix(".tmp") }, "\(left)")
  }

  // MARK: Running

  /// The image's files alone serve a model: without this machine's libraries, on a root that cannot be written to, as a
  /// user who may do nothing.
  @Test(.enabled(if: geteuid() == 0, "unpacking owners and entering a root file system needs root"))
  func itServesByItself() throws {
    let image = try ServerImage.shared.get()
    let place = image.place
    let bundle = place.folder + "/bundle"
    let unpacked = try tool(Tools.umoci, ["unpack", "--image", "\(try image.layout()):test", bundle])
    try #require(unpacked.status == 0, "\(unpacked.errors)")
    let root = bundle + "/rootfs"
    #expect(!FileManager.default.fileExists(atPath: root + "/bin/sh"))
    #expect(access(root + "/usr/share/sbom/model-server.spdx.json", R_OK) == 0)
    #expect(
      try place.planner(
        "model", "synth", "--family", "bert-tiny", "--count", "2", "--vocab", "2000", "--out", "models"
      ).status == 0)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place.folder)

    let enter = """
      set -e
      mount --bind "$1" "$1"
      mount --bind "$2" "$1/models"
      mount -t proc proc "$1/proc"
      for device in null zero random urandom; do
        touch "$1/dev/$device"
        mount --bind "/dev/$device" "$1/dev/$device"
      done
      mount -o remount,bind,ro "$1"
      exec env -i PATH=/usr/bin HOME=/tmp XDG_CACHE_HOME=/cache /usr/sbin/chroot --userspec=65532:65532 "$1" \
        /usr/bin/model-server --repository /models --host 127.0.0.1 --port 0
      """
    let running = try Running(
      "/usr/bin/unshare", ["--mount", "/bin/sh", "-c", enter, "enter", root, place.folder + "/models"],
      log: place.folder + "/server.log")
    struct Ready: Decodable { var port: Int }
    let line = try running.line(log: place.folder + "/server.log")
    let ready = try JSONDecoder().decode(Ready.self, from: line)

    let id = running.process.processIdentifier
    let status = try String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)
    #expect(status.contains("Uid:\t65532\t65532") && status.contains("CapEff:\t0000000000000000"), "\(status)")
    let mounts = try String(contentsOfFile: "/proc/\(id)/mountinfo", encoding: .utf8).split(separator: "\n")
    #expect(mounts.contains { $0.split(separator: " ")[4] == "/" && $0.split(separator: " ")[5].hasPrefix("ro") })
    // To the end: what the kernel lists comes in parts.
    let mapped = try #require(try FileHandle(forReadingAtPath: "/proc/\(id)/maps")?.readToEnd())
    let maps = String(decoding: mapped, as: UTF8.self)
    #expect(maps.contains("libtorch_cpu") && !maps.contains("libopencv"))

    let own = try ownServer(place)
    for path in [
      "/v2/health/ready", "/predictions/model0?seq_0=who+is+it&seq_1=it+is+me", "/predictions/model1?seq_0=a",
    ] {
      let answer = try tool("/usr/bin/curl", ["--silent", "--fail", "http://127.0.0.1:\(ready.port)\(path)"])
      let usual = try tool("/usr/bin/curl", ["--silent", "--fail", "http://127.0.0.1:\(own.port)\(path)"])
      #expect(answer.status == 0 && answer.output == usual.output, "\(path): \(answer.output) \(usual.output)")
    }
    #expect(
      try tool("/usr/bin/curl", ["--silent", "--fail", "http://127.0.0.1:\(ready.port)/predictions/none"]).status != 0)
  }

  /// The built server as this machine runs it, on the same models and with the same BLAS.
  private func ownServer(_ place: Workplace) throws -> (running: Running, port: Int) {
    let folder = "/usr/lib/\(try Workplace.own == "amd64" ? "x86_64" : "aarch64")-linux-gnu/openblas-openmp"
    let running = try Running(
      "/usr/bin/env",
      [
        "LD_LIBRARY_PATH=\(folder)", Workplace.binaries + "/model-server", "--repository", place.folder + "/models",
        "--port", "0",
      ], log: place.folder + "/own.log")
    struct Ready: Decodable { var port: Int }
    return (running, try JSONDecoder().decode(Ready.self, from: try running.line()).port)
  }
}

extension Workplace {
  /// Debian's name of this machine's processor.
  static var own: String {
    get throws { try tool("/usr/bin/dpkg", ["--print-architecture"]).output.filter { !$0.isWhitespace } }
  }
}
