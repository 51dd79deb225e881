variable "prefix" {
  description = "What the names of everything begin with; another one for each further project."
  type        = string
  default     = "creel"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.prefix))
    error_message = "The prefix must be up to 31 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "supabase_url" {
  description = "URL of the Supabase project, such as https://abcdefgh.supabase.co"
  type        = string

  validation {
    condition     = startswith(var.supabase_url, "https://")
    error_message = "The URL must begin with https://."
  }
}

variable "supabase_publishable_key" {
  description = "The project's publishable key. It is no secret."
  type        = string
}

variable "allowed_origins" {
  description = "Origins of the pages that may read the answers."
  type        = list(string)
  default     = []
}

variable "secrets_prefix" {
  description = "Parameters of Systems Manager with the secrets are at PREFIX/FUNCTION/VARIABLE."
  type        = string
  default     = "/creel"

  validation {
    condition     = can(regex("^/[A-Za-z0-9_./-]*[A-Za-z0-9_.-]$", var.secrets_prefix))
    error_message = "The prefix must begin with a slash, and not end with one."
  }
}

variable "secrets_key_arn" {
  description = "The KMS key of those parameters, if it is one of your own."
  type        = string
  default     = null
}

variable "packages" {
  description = "The folder that scripts/package-functions made, with a zip file for each function."
  type        = string
  default     = null
}

variable "architecture" {
  description = "For which processor the packages are: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture must be arm64 or x86_64."
  }
}

variable "reserve_concurrency" {
  description = "Bounds what strangers can make you pay. An account with a limit of 10 has nothing to reserve."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}

variable "alarm_topic_arn" {
  description = "The SNS topic that alarms tell, if any."
  type        = string
  default     = null
}
