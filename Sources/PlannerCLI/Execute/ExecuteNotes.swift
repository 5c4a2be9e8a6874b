import Executor
import LoadTest
import Proof
import Reporting

/// What `planner execute` tells while it runs.
enum ExecuteNotes {
  static func show(_ event: ProofRun.Event) {
    switch event {
    case .starting(let nodes):
      for settings in nodes {
        Output.note(
          "starting model-server with \(settings.models.count) models, "
            + "\(settings.workers) × \(settings.threadsPerWorker) threads")
      }
    case .warned(let warning): Output.note("model-server warns: \(warning)")
    case .calibrating:
      Output.note("ready; letting it settle, then finding out how fast the machine is at the moment")
    case .calibrated(let found):
      Output.note("\(Phrases.speed(found.speed)) in \(found.requests) requests")
    case .notCalibrated:
      Output.note("too few requests at this rate to tell; the profile's figures stand")
    case .predicted(let prediction):
      Output.note(
        "predicted on the schedule of this run: p50 \(Format.duration(prediction.latencySeconds.p50.estimate)), "
          + "p99 \(Format.duration(prediction.latencySeconds.p99.estimate)), "
          + "utilization \(Format.percent(prediction.utilization))")
    case .loading(let seconds, let warmupSeconds):
      Output.note("loading it for \(Format.duration(seconds)) after \(Format.duration(warmupSeconds)) of warm-up")
    case .progress(let stage, let progress):
      Output.progress(line(stage, progress))
    case .kept(let address, let handle):
      Output.note("server left running on http://\(address.host):\(address.port) (\(handle))")
    }
  }

  private static func line(_ stage: NodesUnderLoad.Stage, _ progress: LoadProgress) -> String {
    let label =
      switch stage {
      case .settling: "settling: "
      case .calibrating: "calibrating: "
      case .measuring: ""
      }
    let text =
      "\(label)\(progress.completed) answered, p50 \(Format.duration(progress.p50Seconds)), "
      + "p99 \(Format.duration(progress.p99Seconds))"
      + (progress.notCompleted > 0 ? ", \(progress.notCompleted) not" : "")
    return ProgressLine.render(
      done: Int(progress.elapsedSeconds), of: Int(progress.durationSeconds.rounded(.up)),
      elapsedSeconds: progress.elapsedSeconds, label: text, width: Output.width)
  }
}
