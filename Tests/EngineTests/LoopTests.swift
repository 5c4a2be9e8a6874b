import Testing

/// The shim's parallel loops by themselves: a model hardly makes their bodies throw, or threads hard to come by.
@Suite struct LoopTests {
  @Test func loopsEndAndTheirExceptionsAreTold() throws {
    let sources = Fixtures.root + "/Sources"
    let program = try Fixtures.compiled(
      "loops",
      [
        "-I\(sources)/CTorch", "-I\(sources)/CLinux/include", "\(Fixtures.root)/Tests/EngineTests/Fixtures/loops.cpp",
        "\(sources)/CTorch/parallel.cpp", "-ltorch", "-ltorch_cpu", "-lc10", "-lpthread",
      ])
    #expect(try Fixtures.run(program, []) == "")
  }
}
