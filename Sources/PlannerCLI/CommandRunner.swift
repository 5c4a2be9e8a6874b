import APIClient
import AccessLogs
import ArgumentParser
import ContainerImages
import Executor
import LoadTest
import Optimizer
import PlannerFiles
import Profiler
import Proof

/// A command whose failures become one sentence on standard error and a documented exit code.
protocol PlannerCommand: AsyncParsableCommand, Sendable {
  /// What an interrupt has left; nil says nothing.
  var interruptedNote: String? { get }

  func execute() async throws -> PlannerExit
}

/// A command that waits for nothing but its own computing.
protocol ComputingCommand: PlannerCommand {
  func compute() throws -> PlannerExit
}

extension ComputingCommand {
  func execute() async throws -> PlannerExit { try compute() }
}

extension PlannerCommand {
  var interruptedNote: String? { "everything that it had started is stopped" }

  func run() async throws {
    let interrupts = Interrupts()
    let task = Task { try await execute() }
    interrupts.onFirst { task.cancel() }
    let exit: PlannerExit
    do {
      exit = try await task.value
    } catch {
      await ChildProcess.stopAll()
      if interrupts.wereSeen {
        if let note = interruptedNote { Output.note("planner: interrupted; \(note)") }
        throw PlannerExit.interrupted.code
      }
      // The code of a command that ran somewhere else.
      if let code = error as? ExitCode { throw code }
      let failure = describe(error)
      Output.note("planner: \(failure.message)")
      throw failure.exit.code
    }
    if let problem = Output.resultProblem {
      Output.note("planner: the result cannot be written to standard output: \(problem)")
      throw PlannerExit.unavailable.code
    }
    if exit != .done { throw exit.code }
  }
}

private func describe(_ error: any Error) -> Failure {
  switch error {
  case let failure as Failure: failure
  case let error as FileError: Failure(error.kind == .badData ? .badData : .unavailable, error.description)
  case let error as SliceError: Failure(error.hasNoPlan ? .noFeasiblePlan : .unavailable, error.description)
  case let error as AccessLogError: Failure(error.kind == .badData ? .badData : .unavailable, error.description)
  case let error as OptimizerError: Failure(.usage, error.description)
  case let error as ExecutorError: Failure(.unavailable, error.description)
  case let error as RuntimeError: Failure(.unavailable, error.description)
  case let error as ProofError: Failure(PlannerExit(error.kind), error.description)
  case let error as LoadTestError: Failure(.unavailable, error.description)
  case let error as ProfilerError: Failure(.unavailable, error.description)
  case let error as ImageError: Failure(PlannerExit(error.kind), error.description)
  case let error as APIError: Failure(.unavailable, error.description)
  case is CancellationError: Failure(.interrupted, "interrupted")
  default: Failure(.internal, "unexpected: \(error)")
  }
}
