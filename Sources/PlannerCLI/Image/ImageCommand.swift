import APIClient
import ArgumentParser
import ContainerImages
import Executor
import Foundation
import PlannerCore
import PlannerFiles

struct ImageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "image", abstract: "Build the server's container image, and move it to and from registries.",
    subcommands: [Build.self, Push.self, Pull.self])

  struct Build: PlannerCommand {
    static let configuration = CommandConfiguration(
      commandName: "build", abstract: "Build an OCI image of model-server, without a daemon and without root.",
      discussion: """
        The image holds the server, the libraries that it uses, and nothing to log in to or to install with. The same \
        inputs give the same bytes; its times are those of SOURCE_DATE_EPOCH, else 1970.
        """)

    @Option(help: "File to write: an OCI image layout as a tar archive, which docker load and podman load take too.")
    var out = "model-server.oci.tar"
    @Option(help: "linux/amd64 or linux/arm64; default: this machine's.") var platform: String?
    @Option(help: "The model-server to put into it; default: the one that planner would start.") var server: String?
    @Option(help: "Root file system to take libraries from, such as one of another processor.") var sysroot: String?
    @Option(help: "What the image is called where it is loaded.") var name = "model-server:\(Planner.version)"
    @Option(help: "Also write the list of the image's parts (SPDX 2.3, JSON) to this file.") var sbom: String?
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
      if let platform, ElfFile.Machine(platform: platform) == nil {
        throw ValidationError("--platform must be linux/amd64 or linux/arm64")
      }
      if ImageReference(name)?.tag == nil || ImageReference(name)?.digest != nil {
        throw ValidationError("--name must be an image's name with a tag, such as shop/model-server:1.0")
      }
    }

    func execute() async throws -> PlannerExit {
      guard let machine = platform.map({ ElfFile.Machine(platform: $0) }) ?? ElfFile.Machine.own,
        let name = ImageReference(name)
      else { throw Failure(.usage, "images are for linux/amd64 and linux/arm64; name one with --platform") }
      if machine != ElfFile.Machine.own, sysroot == nil || server == nil {
        throw Failure(
          .usage,
          "an image for \(machine.platform) needs a server and libraries for it, and this machine is another; build "
            + "model-server on such a machine (or take one there), unpack a Debian 12 of that processor with "
            + "libtorch1.13, libopenblas0-openmp and ca-certificates into a folder, and name both with --server "
            + "and --sysroot")
      }
      let environment = ProcessInfo.processInfo.environment
      let recipe = ImageRecipe(
        server: try server ?? ServerBinary.locate(), sysroot: sysroot ?? "", machine: machine, name: name,
        version: Planner.version, time: try ImageRecipe.time(environment: environment))
      let built = try await ImageBuild.run(recipe, to: out, sbomPath: sbom) { Output.progress($0) }
      Output.clearProgress()
      Output.result(json ? try JSONFile.encode(built) : ImageText.render(built))
      return .done
    }
  }

  /// Flags of what talks to a registry.
  struct Access: ParsableArguments {
    @Option(help: "File with certificates (PEM) of the authorities to trust, instead of the system's.") var ca: String?
    @Flag(help: "Allow a registry without encryption, or with a certificate that nobody vouches for.") var insecure =
      false

    func access() throws -> RegistryAccess {
      RegistryAccess(
        config: try DockerConfig(environment: ProcessInfo.processInfo.environment),
        authoritiesPEM: try ca.map { Array(try AtomicFile.read($0).utf8) }, isInsecure: insecure)
    }
  }

  struct Push: PlannerCommand {
    static let configuration = CommandConfiguration(
      commandName: "push", abstract: "Send an image to a registry; what is there already is not sent again.",
      discussion: "Logins come from docker's configuration and credential helpers (docker login; ecr-login for ECR).")

    @Argument(help: "File of the image.") var file: String
    @Argument(help: "Where to: registry/repository:tag.") var reference: String
    @OptionGroup var access: Access
    @Option(help: "Another repository of the registry that may have some of the layers, to take them over.")
    var mountFrom: String?
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
      _ = try ImageCommand.reference(reference)
      if let mountFrom, ImageReference("localhost/" + mountFrom)?.repository != mountFrom {
        throw ValidationError("--mount-from '\(mountFrom)' is no repository, such as shop/model-server")
      }
    }

    func execute() async throws -> PlannerExit {
      let reference = try ImageCommand.reference(reference)
      let transfer = try await ImagePush.run(
        file, to: reference, access: try access.access(), source: mountFrom
      ) { Output.progress(ImageText.progress("sending", $0)) }
      return try ImageCommand.finish(transfer, json: json, verb: "sent")
    }
  }

  struct Pull: PlannerCommand {
    static let configuration = CommandConfiguration(
      commandName: "pull", abstract: "Fetch an image from a registry into a file; goes on where it broke off.")

    @Argument(help: "Which: registry/repository:tag, or registry/repository@sha256:….") var reference: String
    @Option(help: "File to write.") var out: String
    @Option(help: "Which of several platforms; default: this machine's.")
    var platform = ElfFile.Machine.own?.platform ?? "linux/amd64"
    @OptionGroup var access: Access
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws { _ = try ImageCommand.reference(reference) }

    func execute() async throws -> PlannerExit {
      let reference = try ImageCommand.reference(reference)
      let transfer = try await ImagePull.run(
        reference, platform: platform, to: out, access: try access.access()
      ) { Output.progress(ImageText.progress("fetching", $0)) }
      return try ImageCommand.finish(transfer, json: json, verb: "fetched")
    }
  }

  private static func reference(_ text: String) throws -> ImageReference {
    guard let reference = ImageReference(text) else {
      throw ValidationError(
        "'\(text)' is no name of an image; write registry/repository:tag in lower case, such as "
          + "registry.example.com/shop/model-server:1.0")
    }
    return reference
  }

  private static func finish(_ transfer: ImageTransfer, json: Bool, verb: String) throws -> PlannerExit {
    Output.clearProgress()
    Output.result(json ? try JSONFile.encode(transfer) : ImageText.render(transfer, verb: verb))
    return .done
  }
}
