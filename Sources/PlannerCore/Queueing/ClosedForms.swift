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

  /// Quantile of the time in system of M/M/c, first come first served.
  ///
  /// With a = λ/μ and C the chance to wait, P(T > t) = e^(−μt) · (1 + C · (1 − e^(−μt(c−1−a))) / (c−1−a)), in the limit
  /// e^(−μt) · (1 + C μt) where a = c − 1.
  public static func latencyQuantileMMc(
    _ probability: Double, workers: Int, arrivalRate: Double, serviceMean: Double
  ) -> Double {
    let chance = erlangC(workers: workers, arrivalRate: arrivalRate, serviceMean: serviceMean)
    let spare = Double(workers) - 1 - arrivalRate * serviceMean
    return root(above: serviceMean) { time in
      let x = time / serviceMean
      let extra = abs(spare) < 1e-9 ? x : (1 - Double.exp(-x * spare)) / spare
      return Double.exp(-x) * (1 + chance * extra) - (1 - probability)
    }
  }

  /// Mean waits in M/G/1 whose classes have priorities without pre-emption (Cobham, 1954), highest priority first.
  ///
  /// W_k = W₀ / ((1 − σ_(k−1)) (1 − σ_k)), with W₀ = Σ λ E[S²] / 2 over all classes and σ_k the load of the classes
  /// up to k.
  /// - Parameter classes: rate, mean service time and its squared coefficient of variation, of each class.
  public static func meanWaitsMG1(
    priorities classes: [(arrivalRate: Double, serviceMean: Double, squaredCV: Double)]
  ) -> [Double] {
    let residual = classes.reduce(0) {
      $0 + $1.arrivalRate * $1.serviceMean * $1.serviceMean * (1 + $1.squaredCV) / 2
    }
    var load = 0.0
    return classes.map { one in
      let above = load
      load += one.arrivalRate * one.serviceMean
      return residual / ((1 - above) * (1 - load))
    }
  }

  /// Quantile of the time in system of M/H₂/1, first come first served: requests of two kinds, each with exponential
  /// service of its own mean, share one worker.
  ///
  /// By Pollaczek's and Khinchine's transform, the time in system has the transform
  /// (1 − ρ) ((p₁μ₁ + p₂μ₂) s + μ₁μ₂) / (s² + (μ₁ + μ₂ − λ) s + μ₁μ₂ (1 − ρ)), which is a sum of two exponentials.
  /// - Parameters:
  ///   - one: rate and mean service time of the first kind.
  ///   - two: those of the second kind.
  public static func latencyQuantileMH21(
    _ probability: Double, _ one: (arrivalRate: Double, serviceMean: Double),
    _ two: (arrivalRate: Double, serviceMean: Double)
  ) -> Double {
    let rate = one.arrivalRate + two.arrivalRate
    let (fast, slow) = (1 / one.serviceMean, 1 / two.serviceMean)
    let idle = 1 - one.arrivalRate * one.serviceMean - two.arrivalRate * two.serviceMean
    let mixed = (one.arrivalRate * fast + two.arrivalRate * slow) / rate
    let (linear, constant) = (fast + slow - rate, fast * slow * idle)
    let spread = (linear * linear / 4 - constant).squareRoot()
    let (first, second) = (linear / 2 - spread, linear / 2 + spread)
    func weight(_ pole: Double, _ other: Double) -> Double {
      idle * (fast * slow - mixed * pole) / (other - pole) / pole
    }
    return root(above: max(one.serviceMean, two.serviceMean)) { time in
      weight(first, second) * Double.exp(-first * time) + weight(second, first) * Double.exp(-second * time)
        - (1 - probability)
    }
  }

  /// M/M/c whose clients leave after an exponential time without an answer (Erlang's A formula; Palm, 1957).
  ///
  /// The number in the system is a birth and death process with death rate min(n, c) μ + max(n − c, 0) θ: a client that
  /// leaves while it is served leaves its worker busy, and changes nothing for the others.
  /// - Returns: mean busy workers, and mean requests that wait.
  public static func impatientMMc(
    workers: Int, arrivalRate: Double, serviceMean: Double, patienceMean: Double
  ) -> (busy: Double, waiting: Double) {
    var (weight, sum, busy, waiting) = (1.0, 1.0, 0.0, 0.0)
    var inside = 0
    // Weights rise up to about λ/μ requests and fall geometrically or faster after it.
    while weight > 1e-15 * sum || Double(inside) < arrivalRate * serviceMean {
      inside += 1
      let served = Double(min(inside, workers))
      let queued = Double(max(inside - workers, 0))
      weight *= arrivalRate / (served / serviceMean + queued / patienceMean)
      sum += weight
      busy += served * weight
      waiting += queued * weight
    }
    return (busy / sum, waiting / sum)
  }

  /// Where a falling function that is positive at 0 becomes 0, to twelve digits.
  private static func root(above scale: Double, _ function: (Double) -> Double) -> Double {
    var (low, high) = (0.0, scale)
    while function(high) > 0 { (low, high) = (high, 2 * high) }
    while high - low > 1e-12 * high {
      let middle = (low + high) / 2
      if function(middle) > 0 { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}
