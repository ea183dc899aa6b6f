open class SMAppService: @unchecked Sendable {
    public enum Status: Int, Sendable { case notRegistered, enabled, requiresApproval, notFound }
    public static var mainApp: SMAppService { fatalError() }
    open var status: Status { .notFound }
    open func register() throws {}
    open func unregister() throws {}
}
