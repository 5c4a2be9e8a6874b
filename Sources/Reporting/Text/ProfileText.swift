import PlannerCore

/// What `planner profile` and `planner profile show` tell a person.
public enum ProfileText {
  /// Host, chosen library settings, and the measured figures by variant; lines are at most `style.width` cells wide.
  public static func render(_ profile: Profile, style: TextStyle = .plain) -> String {
    var page = TextPage(style)
    page.heading("Profile of \(profile.host.cpuModel), \(Format.count(profile.host.cores, "core", "cores"))")
    page.facts(
      [
        ("Measured", Format.date(profile.measuredAt) + (profile.quick ? ", quick: fewer cells and samples" : "")),
        ("Made for", purpose(profile.purpose)),
        ("Engine", "\(profile.engine.name) \(profile.engine.version)"),
        ("Server without models", Format.bytes(profile.serverMemoryBytes)),
      ] + Phrases.host(profile.host).dropFirst())
    settings(profile, &page)
    variants(profile, &page)
    forward(profile, &page)
    served(profile, &page)
    notes(profile, &page)
    return page.text
  }

  private static func purpose(_ purpose: ProfilePurpose?) -> String {
    let parts = [purpose?.workload.map { "workload \($0)" }, purpose?.repository.map { "the models of \($0)" }]
    let known = parts.compactMap { $0 }
    return known.isEmpty ? "no workload or models in particular" : known.joined(separator: ", ")
  }

  private static func notes(_ profile: Profile, _ page: inout TextPage) {
    for model in profile.models {
      guard let notes = model.notes, !notes.isEmpty else { continue }
      page.heading("\(model.architecture) \(model.precision.rawValue)")
      for note in notes { page.item(note) }
    }
  }

  private static func settings(_ profile: Profile, _ page: inout TextPage) {
    page.heading("Library settings: \(name(profile.settings))")
    for setting in Phrases.environment(profile.settings.environment) { page.item(setting) }
    let gains = speedUps(profile)
    guard !gains.isEmpty else {
      page.paragraph("They were not compared with the defaults.")
      return
    }
    var table = TextTable(columns: [
      .init("precision"), .init("tokens", .trailing), .init("threads", .trailing), .init("defaults", .trailing),
      .init("chosen", .trailing), .init("faster by", .trailing),
    ])
    for gain in gains {
      table.append([
        gain.chosen.precision.rawValue, Format.count(gain.chosen.tokens), Format.count(gain.chosen.threads),
        Format.duration(gain.standard.p50Seconds), Format.duration(gain.chosen.p50Seconds), Format.ratio(gain.ratio),
      ])
    }
    page.table(table)
    let tried = Set(profile.trials.map(\.settings)).count
    page.paragraph(
      "Chosen from \(Format.count(tried, "setting", "settings")) in "
        + "\(Format.count(profile.trials.count, "trial", "trials")); times are medians of one forward pass.",
      isDim: true)
  }

  /// `openblas-openmp for SkylakeX`
  static func name(_ settings: LibrarySettings) -> String {
    (settings.blas == "default" ? "the defaults" : settings.blas) + (settings.coreType.map { " for \($0)" } ?? "")
  }

  private static func isDefault(_ settings: LibrarySettings) -> Bool {
    settings.blas == "default" && settings.coreType == nil
  }

  /// Trials of the chosen settings, each beside the defaults' at the same threads, precision and tokens.
  private static func speedUps(_ profile: Profile) -> [(chosen: SettingsTrial, standard: SettingsTrial, ratio: Double)]
  {
    guard !isDefault(profile.settings) else { return [] }
    return profile.trials.filter { $0.settings == profile.settings }.compactMap { chosen in
      let standard = profile.trials.first {
        isDefault($0.settings) && $0.threads == chosen.threads && $0.precision == chosen.precision
          && $0.tokens == chosen.tokens
      }
      guard let standard, chosen.p50Seconds > 0 else { return nil }
      return (chosen, standard, standard.p50Seconds / chosen.p50Seconds)
    }
  }

  private static func variants(_ profile: Profile, _ page: inout TextPage) {
    guard !profile.models.isEmpty else { return }
    page.heading("Memory and loading, by variant")
    var table = TextTable(columns: [
      .init("model"), .init("precision"), .init("vocabulary", .trailing, dispensability: 2),
      .init("file", .trailing, dispensability: 3), .init("weights", .trailing, dispensability: 4),
      .init("memory a model", .trailing), .init("load", .trailing), .init("first run", .trailing, dispensability: 1),
    ])
    for model in profile.models {
      table.append([
        model.architecture, model.precision.rawValue, Format.count(model.vocabulary), Format.bytes(model.fileBytes),
        Format.bytes(model.weightBytes), Format.bytes(model.memoryPerModelBytes), Format.duration(model.loadSeconds),
        Format.duration(model.firstRunSeconds),
      ])
    }
    page.table(table)
  }

  private static func forward(_ profile: Profile, _ page: inout TextPage) {
    var table = TextTable(columns: [
      .init("model"), .init("precision"), .init("size", .trailing), .init("batch", .trailing, dispensability: 3),
      .init("threads", .trailing), .init("at once", .trailing), .init("models", .trailing, dispensability: 2),
      .init("p50", .trailing), .init("p99", .trailing), .init("samples", .trailing, dispensability: 1),
    ])
    for model in profile.models {
      for cell in model.forward {
        table.append([
          model.architecture, model.precision.rawValue, Format.count(cell.tokens), Format.count(cell.batch),
          Format.count(cell.threads), Format.count(cell.concurrency), Format.count(cell.residentModels),
          Format.duration(cell.serviceSeconds.quantile(0.5)), Format.duration(cell.serviceSeconds.quantile(0.99)),
          Format.count(cell.serviceSeconds.sampleCount),
        ])
      }
    }
    guard !table.isEmpty else { return }
    page.heading("Forward passes, the engine alone")
    page.table(table)
  }

  private static func served(_ profile: Profile, _ page: inout TextPage) {
    var table = TextTable(columns: [
      .init("model"), .init("precision"), .init("input"), .init("size", .trailing),
      .init("workers × threads", .trailing, dispensability: 1), .init("compute p50", .trailing),
      .init("p99", .trailing), .init("HTTP p50", .trailing), .init("p99", .trailing),
      .init("drift", .trailing, dispensability: 2),
    ])
    for model in profile.models {
      for cell in model.served {
        table.append([
          model.architecture, model.precision.rawValue, cell.input.rawValue, Format.count(cell.tokens),
          "\(Format.count(cell.workers)) × \(Format.count(cell.threads))",
          Format.duration(cell.computeSeconds.quantile(0.5)), Format.duration(cell.computeSeconds.quantile(0.99)),
          Format.duration(cell.overheadSeconds.quantile(0.5)), Format.duration(cell.overheadSeconds.quantile(0.99)),
          Format.percent(cell.betweenRunCV, places: 1),
        ])
      }
    }
    guard !table.isEmpty else { return }
    page.heading("Requests over HTTP: worker time, and what comes on top")
    page.table(table)
  }
}
