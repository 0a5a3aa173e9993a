"""Door: the policy delegation protocol (Postfix SMTPD_POLICY_README)."""
