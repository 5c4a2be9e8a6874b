import Foundation
import PlannerCore
import PlannerFiles
import Testing

@Suite struct CatalogFileTests {
  private let header =
    "instanceType,onDemandDollarsPerHour,architecture,cpuManufacturer,sustainedClockMHz,vcpus,memoryMiB,allocatableCPU,"
    + "allocatableMemory,pods,accelerator,acceleratorCount,acceleratorMemoryMiB"
  private let good = "c7g.4xlarge,0.58,arm64,aws,2600,16,32768,15890m,27322Mi,234,,,"

  private func parse(_ lines: [String], separator: String = "\n") throws -> Catalog {
    try CatalogFile.parse(
      lines.joined(separator: separator) + separator, name: "my.csv",
      provenance: Provenance(.published, source: "test"))
  }

  private func problems(_ lines: [String]) -> [FileProblem] {
    do {
      _ = try parse(lines)
      return []
    } catch let error as FileError {
      #expect(error.kind == .badData)
      return error.problems
    } catch {
      Issue.record("another error: \(error)")
      return []
    }
  }

  @Test func whatShips() throws {
    let catalog = try CatalogFile.embedded()
    #expect(catalog.types.count == 240)
    #expect(catalog.provenance.kind == .published)
    #expect(catalog.provenance.source.contains("2026-07-20"))
    let graviton = try #require(catalog["c7g.4xlarge"])
    #expect(graviton.allocatableMemoryBytes == 27_322 << 20)
    #expect(graviton.architecture == "arm64")
    #expect(graviton.accelerator == nil)
    let inferentia = try #require(catalog["inf2.24xlarge"])
    // Memory of one device, not of all six.
    #expect(inferentia.accelerator == InstanceType.Accelerator(name: "inferentia2", count: 6, memoryBytes: 32 << 30))
    #expect(inferentia.costPerHour == 6.49063)
    #expect(inferentia.allocatableMilliCPU == 95_690)
    for type in catalog.types {
      #expect(type.costPerHour > 0)
      #expect(type.allocatableMemoryBytes < type.memoryBytes)
    }
  }

  @Test func spreadsheetsAreReadToo() throws {
    let quoted = "\"c7g.4xlarge\", 0.58 ,arm64,\"a, \"\"b\"\"\",2600,16,32768,15890m,27322Mi,234,,,"
    let catalog = try parse(["\u{FEFF}" + header, quoted, "", "   "], separator: "\r\n")
    #expect(catalog.types.map(\.name) == ["c7g.4xlarge"])
    #expect(catalog.types[0].cpuManufacturer == "a, \"b\"")
    #expect(catalog.types[0].costPerHour == 0.58)
  }

  @Test func columnsInAnyOrderOptionalOnesLeftOut() throws {
    let catalog = try parse([
      "vcpus,instanceType,onDemandDollarsPerHour,architecture,memoryMiB,allocatableCPU,allocatableMemory",
      "2,mine,0.1,amd64,4096,2,3Gi",
    ])
    #expect(catalog.types[0].name == "mine")
    #expect(catalog.types[0].allocatableMilliCPU == 2000)
    #expect(catalog.types[0].allocatableMemoryBytes == 3 << 30)
  }

  @Test func resourcesAndOfferingsAreColumns() throws {
    let catalog = try parse([
      header + ",region,spotDollarsPerHour,reservedDollarsPerHour,resource.neuronCores,resource.acceleratorHBM",
      good + ",eu-west-1,0.21,,2,96Gi", "c7g.8xlarge,1.16,arm64,aws,2600,32,65536,31850m,57971Mi,234,,,,,,,,",
    ])
    let type = catalog.types[0]
    #expect(
      type.offerings == [
        Offering(region: "eu-west-1", costPerHour: 0.58),
        Offering(region: "eu-west-1", purchase: .spot, costPerHour: 0.21),
      ])
    #expect(type.costPerHour == 0.58)
    #expect(type.otherResources == ResourceList(["neuronCores": 2, "acceleratorHBM": 96 << 30]))
    #expect(catalog.types[1].otherResources.isEmpty && catalog.types[1].offerings == [Offering(costPerHour: 1.16)])
    #expect(problems([header + ",resource.", good + ",1"]).map(\.key) == ["resource."])
    #expect(problems([header + ",resource.cpu", good + ",1"]).map(\.key) == ["resource.cpu"])
    #expect(problems([header + ",resource.x", good + ",many"]).map(\.key) == ["resource.x"])
    #expect(problems([header + ",spotDollarsPerHour", good + ",-1"]).map(\.key) == ["spotDollarsPerHour"])
  }

  @Test func theClusterHasAPrice() throws {
    #expect(try CatalogFile.embedded().clusterCostPerHour == 0.10)
    #expect(try parse([header, good]).clusterCostPerHour == 0.10)
  }

  @Test func everyMistakeAtOnce() {
    let found = problems([
      header,
      "c7g.4xlarge,-1,arm64,aws,2600,16,32768,15890m,27322Mi,234,,,",
      "c7g.8xlarge,1,mips,aws,fast,0,32768,x,27322Mi,234,,,",
      good, good,
      "short,1",
      "c7g.16xlarge,1,arm64,aws,2600,16,32768,15890m,99999Mi,234,,1,",
      ",1,arm64,aws,2600,16,32768,15890m,27322Mi,234,gpu,,",
      "\"open,1,arm64,aws,2600,16,32768,15890m,27322Mi,234,,,",
    ])
    let places = found.map { "\($0.line ?? 0) \($0.key ?? "")" }
    #expect(
      places == [
        "2 onDemandDollarsPerHour", "3 architecture", "3 vcpus", "3 allocatableCPU", "3 sustainedClockMHz",
        "5 instanceType", "6 ", "7 acceleratorCount", "7 allocatableMemory", "8 instanceType", "8 acceleratorCount",
        "8 acceleratorMemoryMiB", "9 ",
      ])
    #expect(found.allSatisfy { $0.file == "my.csv" && $0.remedy != nil })
    #expect(found.contains { $0.description.contains("my.csv:5: instanceType: 'c7g.4xlarge' was already on line 4") })
  }

  @Test func headers() {
    #expect(problems([""]).map(\.key).contains("instanceType"))
    #expect(problems([header]).first?.message == "holds no instance type")
    #expect(problems([header + ",colour", good + ",red"]).map(\.key) == ["colour"])
    #expect(problems([header + ",pods", good + ",1"]).map(\.message) == ["is there twice"])
  }

  @Test func hostileNumbers() {
    for price in ["nan", "inf", "1e300", "0x10p400", "--1", ""] {
      #expect(!problems([header, "a,\(price),arm64,aws,2600,16,32768,15890m,27322Mi,234,,,"]).isEmpty, "\(price)")
    }
    for memory in ["9999999999999999999", "-1", "1.5", "0"] {
      #expect(!problems([header, "a,1,arm64,aws,2600,16,\(memory),15890m,27322Mi,234,,,"]).isEmpty, "\(memory)")
    }
  }

  @Test func aMissingFile() {
    #expect(throws: FileError.self) { _ = try CatalogFile.read("/nonexistent/catalog.csv") }
  }
}

@Suite struct FiguresFileTests {
  @Test func whatShips() throws {
    let file = try FiguresFile.embedded()
    #expect(!file.date.isEmpty)
    #expect(!file.source.isEmpty)
    func figure(_ type: String, batch: Int = 1, architecture: String = "bert-base", key: String = "mean")
      -> PublishedBenchmark?
    {
      file.figures.first {
        $0.measuredOn == type && $0.tokens == 128 && $0.batch == batch && $0.architecture == architecture
          && $0.seconds[key] != nil
      }
    }
    func milliseconds(_ figure: PublishedBenchmark?, _ key: String) -> Double? {
      figure?.seconds[key].map { ($0 * 1e5).rounded() / 100 }
    }
    #expect(milliseconds(figure("c6i.2xlarge"), "mean") == 54.06)
    #expect(milliseconds(figure("c6i.2xlarge"), "p95") == 54.31)
    #expect(milliseconds(figure("g5.2xlarge"), "p95") == 8.31)
    #expect(milliseconds(figure("inf1.2xlarge"), "mean") == 8.13)
    #expect(milliseconds(figure("inf2.xlarge"), "p95") == 2.42)
    #expect(figure("inf2.xlarge", key: "p99")?.seconds == ["p50": 0.000999, "p99": 0.00104])
    #expect(milliseconds(figure("inf2.xlarge", batch: 8, key: "p99"), "p99") == 6.17)
    #expect(milliseconds(figure("c5.18xlarge"), "p50") == 55.73)
    #expect(milliseconds(figure("inf2.xlarge", architecture: "distilbert"), "p95") == 0.80)
    #expect(figure("inf1.2xlarge")?.coresPerAccelerator == 4)
    #expect(figure("inf2.xlarge")?.coresPerAccelerator == 2)
  }

  @Test func everyMistakeAtOnce() throws {
    let text = """
      {"kind": "figures", "schemaVersion": 1, "source": "s", "date": "2026-01-01", "figures": [
        {"instanceFamilies": [], "measuredOn": "a", "modelFamily": "bert-base", "precision": "fp32", "tokens": 0,
         "batch": 0, "seconds": {"p95": 2, "p99": 1, "p42": 1}, "coresPerAccelerator": 0, "source": ""}]}
      """
    let path = NSTemporaryDirectory() + "figures-\(UUID().uuidString).json"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    do {
      _ = try FiguresFile.read(path)
      Issue.record("accepted a file that is wrong")
    } catch {
      #expect(
        error.problems.map { $0.key ?? "" } == [
          "figures[0].instanceFamilies", "figures[0].tokens", "figures[0].batch", "figures[0].coresPerAccelerator",
          "figures[0].source", "figures[0].seconds.p42", "figures[0].seconds", "figures[0].seconds",
        ])
    }
  }
}
