/// Parts of the configuration.
extension HAProxyFiles {
  /// Over how long clients that are connected when the table changes are told, with an answer, to open another
  /// connection, seconds.
  static let spreadSeconds = 2
  /// How long a connection on which nothing is asked stays open, seconds. A table changes no sooner than its last idle
  /// connection is gone: closed at once, it would meet a request that is on its way.
  static let idleSeconds = 10
  /// Longest that an old process may take to answer what it has accepted, seconds: a server's own limit of a request
  /// and of its answer's departure (docs/serving.md).
  public static let drainSeconds = 60

  static func global(_ place: Place, revision: String) -> String {
    let socket = place.adminSocket.map { "stats socket unix@\($0) mode 600 level admin expose-fd listeners" }
    // Without a limit of its own it makes room for as many connections as the system allows files. A buffer holds a
    // request line of 32 KiB and as much of header fields.
    return """
      # Made by planner for one deployment, and made anew whenever it changes: docs/proxy.md.
      global
          description \(revision)
          nbthread \(max(1, place.threads))
          fd-hard-limit 20000
          close-spread-time \(spreadSeconds)s
          hard-stop-after \(drainSeconds)s
          tune.bufsize 65536
          tune.maxrewrite 1024
          \(socket ?? "# without a socket for administrators")


      """
  }

  /// Requests are asked again of another copy where a node went before it had answered anything: an inference changes
  /// nothing, so it may be computed twice. What the proxy itself answers has the form of the server's answers.
  static let defaults = """
    defaults
        mode http
        timeout connect 1s
        timeout check 2s
        timeout http-request 30s
        timeout http-keep-alive \(idleSeconds)s
        option idle-close-on-response
        timeout client 60s
        timeout server 90s
        retries 3
        option redispatch 1
        retry-on conn-failure empty-response
        http-reuse always
        option abortonclose
        http-error status 400 \(json("error", "the request is no HTTP/1.1, or its head is longer than 63 KiB"))
        http-error status 408 \(json("error", "the request did not come whole within 30 s"))
        http-error status 502 \(json("%[var(txn.key)]", "the node ended before it had answered"))
        http-error status 503 \(json("%[var(txn.key)]", "no node that could answer is ready")) hdr Retry-After 1
        http-error status 504 \(json("%[var(txn.key)]", "the node did not answer within 90 s"))


    """

  /// An answer's type and text; both parts may hold expressions in the form of HAProxy's logs.
  private static func json(_ key: String, _ sentence: String) -> String {
    "content-type application/json lf-string '{\"\(key)\":\"\(sentence)\"}'"
  }

  /// Reads a path as the server does: slashes in a row are one, segments are decoded one by one, and a percent sign
  /// that begins no escape stands for itself. What tells of one node only, and would tell of another with the next
  /// request, is refused.
  static func frontend(_ table: RoutingTable, _ place: Place) -> String {
    """
    frontend models
        bind \(text(place.bind))
        acl predictions var(txn.first) -m str predictions
        acl inference var(txn.first) -m str v2
        acl models var(txn.second) -m str models
        acl repository var(txn.second) -m str repository
        acl repository_models var(txn.third) -m str models
        acl repository_index var(txn.third) -m str index
        acl statistics var(txn.path) -m reg ^/[^/]+/[^/]+/stats/?$
        acl metrics var(txn.path) -m reg ^/metrics/?$
        acl named var(txn.name) -m len gt 0
        acl known var(txn.pool) -m found
        http-request set-var(txn.path) path
        http-request set-var(txn.path) path,regsub(//+,/,g) if { path -m sub // }
        http-request set-var(txn.first) var(txn.path),field(2,/),url_dec
        http-request set-var(txn.second) var(txn.path),field(3,/),url_dec
        http-request set-var(txn.third) var(txn.path),field(4,/),url_dec
        http-request set-var(txn.key) str(error)
        http-request set-var(txn.key) str(detail) if predictions
        http-request return status 501 \(json("error", ofOneNode)) \
    if metrics or inference models statistics or inference repository repository_index
        http-request set-var(txn.name) var(txn.path),field(3,/) if predictions
        http-request set-var(txn.name) var(txn.path),field(4,/) if inference models
        http-request set-var(txn.name) var(txn.path),field(5,/) if inference repository repository_models
        http-request set-var(txn.name) var(txn.name),url_dec if named
        http-request set-var(txn.pool) var(txn.name),url_enc,map_str(\(place.mapFile)) if named
    \(unknown(table))
        use_backend %[var(txn.pool)] if known
        default_backend \(everybody)


    """
  }

  private static let ofOneNode = "this address leads to models; ask each node for what it counts and holds"

  /// What happens to names that are in no node's list.
  private static func unknown(_ table: RoutingTable) -> String {
    if let unlisted = table.unlisted {
      return "    http-request set-var(txn.pool) str(\(pool(unlisted))) if named !known"
    }
    let name = "%[var(txn.name),bytes(0,200),json(utf8s)]"
    let ofGuidance = "Model \(name) does not exist. Try a model name up to %[var(txn.last),json(utf8s)]"
    // An apostrophe would end the text that it stands in: it stands between two.
    let other = "there is no model '\\''\(name)'\\''"
    return """
          http-request set-var(txn.last) str(\(last(of: table.models))),url_dec
          http-request return status 404 \(json("detail", ofGuidance)) if named !known predictions
          http-request return status 404 \(json("error", other)) if named !known
      """
  }

  /// The encoded name that is the last where names end in numbers, cut: a line of the configuration has 2,048
  /// characters.
  private static func last(of models: [RoutingTable.Model]) -> String {
    let last = models.map(\.name).max { ($0.utf8.count, $0) < ($1.utf8.count, $1) } ?? "model0"
    var encoded = ""
    for character in last {
      let next = key(String(character))
      if encoded.utf8.count + next.utf8.count > 1000 { break }
      encoded += next
    }
    return encoded
  }

  /// One backend in which every node is looked at once a second, and one for each pool, which follows it.
  static func backends(_ table: RoutingTable, _ place: Place) -> String {
    var text = """
      backend \(everybody)
          balance roundrobin
          option httpchk
          http-check send meth GET uri /v2/health/ready ver HTTP/1.1 hdr Host planner
          http-check expect status 200
          default-server check inter 1s fastinter 250ms fall 2 rise 1

      """
    let resolution = place.resolvesNames ? " resolvers system init-addr none" : ""
    for target in table.targets { text += "    server \(target.replica) \(self.text(target.address))\(resolution)\n" }
    for (index, pool) in table.pools.enumerated() {
      text += "\nbackend \(self.pool(index))\n    balance roundrobin\n"
      for share in pool.shares {
        let target = table.targets[share.target]
        text +=
          "    server \(target.replica) \(self.text(target.address)) weight \(min(share.weight, 256)) "
          + "track \(everybody)/\(target.replica)\(resolution)\n"
      }
    }
    text += "\nbackend \(nobody)\n"
    if place.resolvesNames { text += "\nresolvers system\n    parse-resolv-conf\n    hold valid 5s\n" }
    return text
  }
}
