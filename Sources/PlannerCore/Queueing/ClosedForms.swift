import RealModule

/// Exact results of queueing theory, for checking the simulator and for explaining plans.
///
/// Rates are per second, times in seconds. All need a utilization below 1.
public enum ClosedForms {
  /// Probability that an arrival at M/M/c waits (Erlang's C formula).
  public static func erlangC(workers: Int, arrivalRate: Double, serviceMean: Double) -> Double {
    let load = arrivalRate * serviceMean
    // Erlang's B by its recursion, which neither overflows nor cancels.
    var blocking = 1.0
    for n in 1...workers { blocking = load * blocking / (Double(n) + load * blocking) }
    let utilization = load / Double(workers)
    return blocking / (1 - utilization * (1 - blocking))
  }

  /// Mean wait in M/M/c.
  public static func meanWaitMMc(workers: Int, arrivalRate: Double, serviceMean: Double) -> Double {
    erlangC(workers: workers, arrivalRate: arrivalRate, serviceMean: serviceMean)
      / (Double(workers) / serviceMean - arrivalRate)
  }

  /// Mean wait in M/G/1 (Pollaczek and Khinchine); `squaredCV` 1 is M/M/1, 0 is M/D/1.
  public static func meanWaitMG1(arrivalRate: Double, serviceMean: Double, squaredCV: Double) -> Double {
    let utilization = arrivalRate * serviceMean
    return utilization * serviceMean * (1 + squaredCV) / (2 * (1 - utilization))
  }

  /// Quantile of the time in system of M/M/1, which is exponential with rate μ − λ.
  public static func latencyQuantileMM1(_ probability: Double, arrivalRate: Double, serviceMean: Double) -> Double {
    -Double.log(1 - probability) / (1 / serviceMean - arrivalRate)
  }
}
