// What Foundation has on iPhone and iPad and other systems' lacks, as far as background sessions need it.
import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

extension URLSession {
    var allTasks: [URLSessionTask] { get async { [] } }
}

extension URLSessionConfiguration {
    static func background(withIdentifier identifier: String) -> URLSessionConfiguration { .ephemeral }
    var sessionSendsLaunchEvents: Bool {
        get { false }
        set {}
    }
    var isDiscretionary: Bool {
        get { false }
        set {}
    }
}

extension URLSessionTask {
    var countOfBytesClientExpectsToReceive: Int64 {
        get { 0 }
        set {}
    }
}
