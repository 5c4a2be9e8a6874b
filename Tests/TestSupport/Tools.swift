import Foundation

/// Programs of others that tests are run against; `scripts/test-tools` installs them, and `make test` calls it.
public enum Tools {
  /// An interpreter with tritonclient and moto.
  public static var python: String { environment + "/bin/python3" }
  /// moto's server, which speaks S3.
  public static var motoServer: String { environment + "/bin/moto_server" }
  /// Schemas of Kubernetes' objects, of each release.
  public static var kubernetesValidate: String { environment + "/bin/kubernetes-validate" }
  /// A current one.
  public static var kubectl: String { environment + "/bin/kubectl" }
  public static let promtool = "/usr/bin/promtool"
  /// Reads and checks lists of a program's parts in SPDX's forms.
  public static var spdx: String { environment + "/bin/pyspdxtools" }
  /// The registry of the distribution project.
  public static let registry = "/usr/bin/docker-registry"
  /// Copies and looks at images.
  public static let skopeo = "/usr/bin/skopeo"
  /// Path of umoci, which unpacks images.
  public static let umoci = "/usr/bin/umoci"
  /// The proxy in front of deployments.
  public static let haproxy = "/usr/sbin/haproxy"
  public static let prometheus = "/usr/bin/prometheus"

  private static var environment: String {
    let variables = ProcessInfo.processInfo.environment
    let cache = variables["XDG_CACHE_HOME"] ?? (variables["HOME"] ?? NSHomeDirectory()) + "/.cache"
    return cache + "/planner/test-tools"
  }
}
