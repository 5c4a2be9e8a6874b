import RealModule

/// A seeded stream of random numbers: xoshiro256++ (Blackman and Vigna, 2019).
///
/// The project's own, because the standard library may change its generator and its samplers between
/// releases, and a plan has to be reproducible years later. Independent sub-streams come from
/// `init(seed:stream:)`: each (seed, name) pair starts at its own point, so that adding a consumer
/// does not shift the numbers of another.
public struct RandomStream: RandomNumberGenerator, Sendable {
  @usableFromInline var s0: UInt64
  @usableFromInline var s1: UInt64
  @usableFromInline var s2: UInt64
  @usableFromInline var s3: UInt64

  /// The stream called `stream` under `seed`; `index` tells apart its copies (model 0, model 1, …).
  public init(seed: UInt64, stream: StaticString, index: UInt64 = 0) {
    // FNV-1a over the name, then SplitMix64 over (seed, name, index): stable for ever.
    var hash = StableHash()
    stream.withUTF8Buffer { hash.mix($0) }
    var state =
      Self.mix(seed) ^ Self.mix(hash.value &+ 0x9e37_79b9_7f4a_7c15) ^ Self.mix(index &* 0xd134_2543_de82_ef95 &+ 1)
    func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      return Self.mix(state)
    }
    s0 = next()
    s1 = next()
    s2 = next()
    s3 = next()
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  @inlinable public mutating func next() -> UInt64 {
    func rotated(_ value: UInt64, by count: UInt64) -> UInt64 { (value << count) | (value >> (64 - count)) }
    let result = rotated(s0 &+ s3, by: 23) &+ s0
    let shifted = s1 << 17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = rotated(s3, by: 45)
    return result
  }

  /// Uniform in (0, 1): 53 bits, never 0 nor 1, so its logarithm is finite.
  @inlinable public mutating func uniform() -> Double {
    (Double(next() >> 11) + 0.5) * 0x1p-53
  }

  /// Uniform in 0 ..< `bound`, unbiased (Lemire's multiply and reject).
  @inlinable public mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0)
    let range = UInt64(bound)
    var product = next().multipliedFullWidth(by: range)
    if product.low < range {
      let threshold = (0 &- range) % range
      while product.low < threshold { product = next().multipliedFullWidth(by: range) }
    }
    return Int(product.high)
  }

  /// Exponential with mean 1, by inversion.
  @inlinable public mutating func exponential() -> Double { -Double.log(uniform()) }

  /// Standard normal, by Marsaglia's polar method; the second value of each pair is discarded so that
  /// the stream carries no hidden state.
  public mutating func normal() -> Double {
    while true {
      let x = 2 * uniform() - 1
      let y = 2 * uniform() - 1
      let radius = x * x + y * y
      if radius > 0, radius < 1 { return x * (-2 * Double.log(radius) / radius).squareRoot() }
    }
  }

  /// Gamma with the given shape and mean 1 (Marsaglia and Tsang, 2000).
  public mutating func gamma(shape: Double) -> Double {
    precondition(shape > 0)
    if shape < 1 {
      // Boosted: gamma(a) = gamma(a + 1) · U^(1/a), which stays exact in the mean.
      let boosted = gamma(shape: shape + 1) * (shape + 1)
      return boosted * Double.exp(Double.log(uniform()) / shape) / shape
    }
    let d = shape - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let root = 1 + c * x
      if root <= 0 { continue }
      let v = root * root * root
      if Double.log(uniform()) < 0.5 * x * x + d - d * v + d * Double.log(v) { return d * v / shape }
    }
  }
}
